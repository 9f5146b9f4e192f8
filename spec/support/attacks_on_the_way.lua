--- What hostile name servers, proxies, TLS servers and redirects do to a client, over sockets and
-- on a scripted clock: attacks.lua goes on here, with the same fields.

local certificates = require "support.certificates"
local handshake = require "support.scripted.handshake"
local memory = require("wsclose.core_testing").memory
local network = require "support.network"
local process = require "support.process"
local scripted = require "support.scripted_server"
local socket = require "socket"
local way = require "support.way"

local ways = {}

local PATIENCE = 1000

-- A client of the counting platform, on a clock that stands still.
local function new_client(url, options)
  local wsclose = network.counted()
  local time, clock = network.new_clock()
  local told = { wsclose = wsclose, bytes = 0, time = time }
  local all = { clock = clock, proxy = false, keepalive = false }
  function all.on_close(_, code, _, info) told.code, told.info = code, info end
  for name, value in pairs(options or {}) do all[name] = value end
  collectgarbage()
  memory.fail_at()
  memory.peak(true)
  told.before = memory.live_bytes()
  told.ws = assert(wsclose.new(url, all))
  return told
end

local function finish(told)
  told.bytes = math.max(told.bytes, told.ws:stats().bytes_in or 0)
  told.memory, told.allocations = memory.peak() - told.before, memory.attempts()
  told.ws.on_close = nil
  told.ws:leave()
  return told
end

-- A server that, once the client has said something, says `first`, then `piece` again and again,
-- one every `pace` seconds.
local function dripping(to_url, first, piece, pace)
  return function(timed)
    local said = 0
    local server = scripted.new(function(c)
      c:wait("the client", function() return c.bytes_in > 0 or c.ended end, true)
      c:send(first)
      said = said + #first
      while not c.ended do
        c:told "more"
        c:send(piece)
        said = said + #piece
      end
    end)
    local url, options = to_url(server)
    local told = new_client(url, options)
    for _ = 1, PATIENCE do
      for _ = 1, 4 do
        timed(told.ws.update, told.ws, 0)
        server:step()
      end
      if told.code then break end
      if said > 0 then
        told.time.now = told.time.now + pace
        server:tell "more"
      end
    end
    told.bytes = said
    return finish(told)
  end
end

local function by_http_proxy(server)
  return "ws://feed.example/", { proxy = "http://127.0.0.1:" .. server.port }
end

local function by_socks_proxy(server)
  return "ws://feed.example/", { proxy = "socks5h://127.0.0.1:" .. server.port }
end

local function by_tls(server)
  return server:url("/", "wss")
end

-- Who is asked is told to ask again, on a connection of its own.
local function redirects(timed, share)
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:settimeout(0)
  local limit = math.floor(10000 * (share or 1))
  local told = new_client(("ws://127.0.0.1:%d/"):format(port), { redirects = limit })
  local answer = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
  told.requests = 0
  while not told.code do
    timed(told.ws.update, told.ws, 0)
    local connection = listener:accept()
    if connection then
      timed(told.ws.update, told.ws, 0) -- the request
      repeat
        connection:settimeout(0.01)
        local line, fault = connection:receive "*l"
        timed(told.ws.update, told.ws, 0)
      until line == "" or fault == "closed"
      connection:send(answer)
      connection:close()
      told.bytes, told.requests = told.bytes + #answer, told.requests + 1
    end
  end
  listener:close()
  assert(told.requests == limit + 1)
  return finish(told)
end

-- A name server that never answers, and a thousand clients that ask it.
local function hanging_resolver(timed, share)
  local resolver = network.resolver()
  local told = new_client "ws://feed.example/"
  local clients = {}
  for i = 1, math.floor(1000 * (share or 1)) do
    clients[i] = assert(told.wsclose.new(("ws://feed%d.example/"):format(i), { proxy = false }))
    resolver:attach(clients[i])
    timed(clients[i].update, clients[i], 0)
  end
  resolver:attach(told.ws)
  timed(told.ws.update, told.ws, 0)
  told.threads = network.threads() - 1
  told.time.now = told.time.now + 5.001
  for _ = 1, PATIENCE do
    if told.code then break end
    timed(told.ws.update, told.ws, 0)
  end
  finish(told)
  for _, other in ipairs(clients) do other:leave() end
  return told
end

-- Until something is so; it may take another process.
local function until_so(timed, told, happened)
  for _ = 1, PATIENCE do
    local result = happened()
    if result then return result end
    timed(told.ws.update, told.ws, 0.01)
  end
  error "it did not happen"
end

-- Open, by OpenSSL's own server, or ended already.
local function open_by_hand(timed, ...)
  local made = certificates.shared()
  local server = way.s_server(made.good, "-tls1_3", ...)
  local told = new_client(("wss://feed.example:%d/"):format(server.port), {
    resolve = { ["feed.example"] = "127.0.0.1" }, tls = { ca_file = made.ca },
  })
  local key = until_so(timed, told, function()
    return server:look "^Sec%-WebSocket%-Key: (%S+)" or told.code
  end)
  if told.code then return told, server end
  server:tell((handshake.answer({ key = key }):gsub("\n$", ""))) -- which tell puts there
  until_so(timed, told, function() return told.ws:state() == "open" end)
  return told, server
end

-- Records that carry nothing for the program, behind each other.
local function key_updates(timed)
  local told, server = open_by_hand(timed)
  local count = 0
  repeat
    server:tell "k"
    server:expect "SSL_do_handshake %-> 1$"
    timed(told.ws.update, told.ws, 0)
    count = count + 1
  until told.code or count == 100
  told.bytes = count * 27 -- a record's head, five bytes, their type, the tag
  return finish(told)
end

local function tickets(timed)
  local told = finish((open_by_hand(timed, "-num_tickets", "200")))
  told.bytes = nil -- it is OpenSSL that knows
  return told
end

local KIB = 1024

ways.all = {
  { "a name server that never answers a thousand clients", run = hanging_resolver,
    ends = "1006 timeout", bytes = 0, memory = 4 * KIB * KIB, threads = 8,
    limit = "`timeouts.dns`, 5 s; eight threads in a process" },
  { "10,000 redirects, where the program allows them", run = redirects, ends = "1006 redirect",
    memory = 128 * KIB, limit = "`redirects`, 0; each of them within `timeouts.connect`, 10 s" },
  { "a proxy that answers a byte a second", ends = "1006 timeout", bytes = 28, memory = 64 * KIB,
    run = dripping(by_http_proxy, "HTTP/1.1 200 OK\r\n", "x", 1),
    limit = "`timeouts.connect`, 10 s" },
  { "a proxy whose header lines do not end", ends = "1006 proxy", bytes = 32 * KIB,
    memory = 64 * KIB, limit = "16 KiB of head",
    run = dripping(by_http_proxy, "HTTP/1.1 200 OK\r\n", ("A: b\r\n"):rep(1000), 0) },
  { "a SOCKS5 proxy that answers a byte a second", ends = "1006 timeout", bytes = 18,
    memory = 128 * KIB, limit = "`timeouts.connect`",
    run = dripping(by_socks_proxy, "\5\0\5\0\0\3\255", "x", 1) },
  { "a TLS handshake of a byte a second", ends = "1006 timeout", bytes = 11, memory = 128 * KIB,
    run = dripping(by_tls, "\22\3\3\64\0", "x", 1), limit = "`timeouts.tls`, 5 s" },
  { "TLS key updates without end", run = key_updates, ends = "1006 tls", bytes = 34 * 27,
    memory = 128 * KIB, limit = "32 records in a row that carry no data" },
  { "200 TLS session tickets", run = tickets, may_end = "1006 tls", memory = 128 * KIB,
    limit = "32 records in a row that carry no data; two of an origin are kept" },
}

--- Lets one happen.
---@return table told as attacks.play gives it; `threads`
function ways.play(attack, timed, share)
  local told = attack.run(timed or function(call, ...) return call(...) end, share)
  network.close_all()
  process.stop_all()
  return told
end

return ways
