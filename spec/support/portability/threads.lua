-- What each thread of threads.c does with its Lua state: HOST PORT NUMBER [CERTIFICATE].
local wsclose = require "wsclose"

local host, port, number, certificate = ...
local in_child = in_child -- luacheck: ignore 113
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

local function echo_over(scheme, options)
  options.proxy = false
  local url = ("%s://%s:%d/"):format(scheme, host, port)
  local ws = assert(wsclose.connect(url, options))
  for i = 1, MESSAGES do
    assert(ws:send(text_of(i)))
    assert(ws:receive(60) == text_of(i))
  end
  ws:close(1000, "done")
  local code, _, info = ws:run(60)
  assert(code == 1000 and info.clean, tostring(info))
end

-- The settings of each thread are made, and the attempt fails: the server speaks no TLS, or has a
-- certificate that nobody has signed.
local function not_over_tls()
  local url = ("wss://%s:%d/"):format(host, port)
  local ws, _, name = wsclose.connect(url, { proxy = false })
  assert(not ws and name == "tls", name)
end

-- All threads ask for the same name, each several times at once; some do not wait for the answer.
local function look_up()
  local group, told = wsclose.group(), 0
  for i = 1, 6 do
    local ws = wsclose.new(("ws://%s:1/"):format(host), {
      proxy = false, family = 4, on_close = function() told = told + 1 end,
    })
    group:add(ws)
    group:update(0)
    if i % 3 == 0 then ws:close() end
  end
  group:run(60)
  assert(told == 6, told)
end

-- A fork has none of the threads that look names up; what began before it goes on without it.  The
-- child starts none: ThreadSanitizer does not always bear that.
local function look_up_in_child()
  local ws = assert(wsclose.new(("ws://%s:1/"):format(host), { proxy = false, family = 4 }))
  ws:update(0)
  assert(in_child(function() ws:leave() end))
  assert(ws:run(60) == 1006)
end

for _ = 1, ROUNDS do
  pair()
  echo_over("ws", {})
  if certificate then echo_over("wss", { tls = { ca_file = certificate } }) end
  not_over_tls()
  look_up()
end
look_up_in_child()
local count = ROUNDS * MESSAGES
return ("%d messages in memory, %d over sockets, %d over TLS"):format(count, count,
  certificate and count or 0)
