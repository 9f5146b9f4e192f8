-- What each thread of threads.c does with its Lua state: threads.lua HOST PORT NUMBER.
local wsclose = require "wsclose"

local host, port, number = ...
local ROUNDS, MESSAGES = 8, 40

-- Other texts in each thread, so that bytes gone astray show.
local function text_of(i)
  return ("thread %d, message %d. "):format(number, i):rep(1 + i * i % 97)
end

local function carry(from, to)
  local bytes = from:output()
  if #bytes > 0 then to:input(bytes) end
  return #bytes > 0
end

-- Carries bytes both ways and answers; gives what the client was told.
local function talk(client, server)
  local told = {}
  while carry(client, server) or carry(server, client) do
    local event, data, kind = server:next()
    while event do
      if event == "message" then assert(server:send(data, kind)) end
      event, data, kind = server:next()
    end
    local name, first = client:next()
    while name do
      told[#told + 1] = { name, first }
      name, first = client:next()
    end
  end
  return told
end

local function pair()
  local client = assert(wsclose.protocol("ws://feed.example/"))
  local server = assert(wsclose.protocol(nil, { role = "server" }))
  assert(talk(client, server)[1][1] == "open")
  for i = 1, MESSAGES do
    assert(client:send(text_of(i)))
    local told = talk(client, server)
    assert(#told == 1 and told[1][1] == "message" and told[1][2] == text_of(i))
  end
  client:close(1000, "done")
  talk(client, server)
  server:eof()
  client:eof()
  local event, code = client:next()
  assert(event == "close" and code == 1000)
end

local function over_sockets()
  local url = ("ws://%s:%d/"):format(host, port)
  local ws = assert(wsclose.connect(url, { proxy = false }))
  for i = 1, MESSAGES do
    assert(ws:send(text_of(i)))
    assert(ws:receive(20) == text_of(i))
  end
  ws:close(1000, "done")
  local code, _, info = ws:run(20)
  assert(code == 1000 and info.clean, tostring(info))
end

-- The server speaks no TLS: the settings of each thread are made, and the attempt fails.
local function not_over_tls()
  local url = ("wss://%s:%d/"):format(host, port)
  local ws, _, name = wsclose.connect(url, { proxy = false })
  assert(not ws and name == "tls", name)
end

for _ = 1, ROUNDS do
  pair()
  over_sockets()
  not_over_tls()
end
local count = ROUNDS * MESSAGES
return ("%d messages in memory, %d over sockets, %d refusals"):format(count, count, ROUNDS)
