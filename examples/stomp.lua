--- STOMP 1.2 over WebSocket, straight down: subscribes, sends a message, prints it and ends.
--
--     lua examples/stomp.lua ws://127.0.0.1:15674/ws /topic/greetings "hello, everybody"
--
-- A broker such as RabbitMQ (plugin rabbitmq_web_stomp) wants the subprotocol "v12.stomp" and puts
-- each frame into a message of its own.  STOMP's heartbeats are not asked for: WebSocket has pings.

local wsclose = require "wsclose"

local URL = arg[1] or "ws://127.0.0.1:15674/ws"
local TOPIC, TEXT = arg[2] or "/topic/greetings", arg[3] or "hello"

local ws = assert(wsclose.connect(URL, { protocols = "v12.stomp" }))

local function send(command, headers, body)
  assert(ws:send(("%s\n%s\n\n%s\0"):format(command, headers, body or "")))
end

-- The body of the next frame; an ERROR, or another that is not expected, is raised as it stands.
local function expect(command)
  local frame = assert(ws:receive(10))
  local got, body = frame:match "^(%u+)\n.-\n\n(.*)%z"
  return got == command and body or error(frame)
end

send("CONNECT", "accept-version:1.2\nhost:/\nlogin:guest\npasscode:guest")
expect "CONNECTED"
send("SUBSCRIBE", "id:0\nreceipt:subscribed\ndestination:" .. TOPIC)
expect "RECEIPT" -- whatever is sent from now on is received
send("SEND", "destination:" .. TOPIC, TEXT)
print(TOPIC, expect "MESSAGE")
send("DISCONNECT", "receipt:done")
ws:receive(10) -- a RECEIPT: all has been taken; RabbitMQ sends its Close, "STOMP died", instead
ws:close()
print(select(3, ws:run()))
