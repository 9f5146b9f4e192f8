--- MQTT 3.1.1 over WebSocket: subscribes to a topic, publishes to it, and prints what comes.
--
--     lua examples/mqtt.lua ws://127.0.0.1:9001/ greetings "hello, everybody"
--
-- A broker such as mosquitto (`listener 9001`, `protocol websockets`, `allow_anonymous true`) wants
-- the subprotocol "mqtt".  Packets travel in binary messages, which need not end where one does.

local wsclose = require "wsclose"

local URL, TOPIC, TEXT = arg[1] or "ws://127.0.0.1:9001/", arg[2] or "greetings", arg[3] or "hello"

-- ---------------------------------------------------------------- packets, MQTT 3.1.1 section 2

local CONNACK, PUBLISH, SUBACK = 2, 3, 9

local function text(s)
  return string.char(math.floor(#s / 256), #s % 256) .. s
end

local function packet(head, body)
  local length, rest = "", #body
  repeat
    local digit = rest % 128
    rest = math.floor(rest / 128)
    length = length .. string.char(rest > 0 and digit + 128 or digit)
  until rest == 0
  return string.char(head) .. length .. body
end

-- The first packet's kind and body, and what stands behind it; nothing: it is not there yet.
local function take(buffer)
  local size, factor, at = 0, 1, 2
  repeat
    local digit = buffer:byte(at)
    if not digit then return end
    size, factor, at = size + digit % 128 * factor, factor * 128, at + 1
  until digit < 128
  if #buffer < at + size - 1 then return end
  return math.floor(buffer:byte() / 16), buffer:sub(at, at + size - 1), buffer:sub(at + size)
end

-- ---------------------------------------------------------------- the client

local buffer = ""

local answer = {
  [CONNACK] = function(ws, body)
    if body:byte(2) ~= 0 then return ws:close(4000, "refused with " .. body:byte(2)) end
    ws:send(packet(0x82, "\0\1" .. text(TOPIC) .. "\0"), "binary") -- SUBSCRIBE, at most once
  end,
  [SUBACK] = function(ws)
    ws:send(packet(0x30, text(TOPIC) .. TEXT), "binary") -- PUBLISH
  end,
  [PUBLISH] = function(ws, body)
    local size = body:byte(1) * 256 + body:byte(2)
    print(body:sub(3, 2 + size), body:sub(3 + size))
    ws:send(packet(0xE0, ""), "binary") -- DISCONNECT: all is well, no last will is to be sent
    ws:close()
  end,
}

local ws = assert(wsclose.new(URL, {
  protocols = "mqtt",
  retry = true,
  -- CONNECT: a clean session, and no keep alive of MQTT's: WebSocket has its own
  on_open = function(ws)
    buffer = ""
    ws:send(packet(0x10, text "MQTT" .. "\4\2\0\0" .. text ""), "binary")
  end,
  on_message = function(ws, data)
    buffer = buffer .. data
    local kind, body, rest = take(buffer)
    while kind do
      buffer = rest
      if answer[kind] then answer[kind](ws, body) end
      kind, body, rest = take(buffer)
    end
  end,
  on_close = function(_, _, _, info) print(tostring(info)) end,
}))
ws:run()
