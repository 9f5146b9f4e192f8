--- The rows of the close matrix before a connection is open.

local acts = require "support.closing.acts"

local both, says, settle, merged = acts.both, acts.says, acts.settle, acts.merged
local close, drops, leaves, resets = acts.close, acts.drops, acts.leaves, acts.resets

local function closes(s) s.ws:close() end

-- Rows that have in common that no frame goes out and nothing was open.
local function rows(common, list)
  for i, row in ipairs(list) do
    list[i] = merged({ out = "nothing", told = "1006", follows = "no" }, common, row)
  end
  return list
end

local AGAIN = "0.25–1 s"
local BY_NETWORK, BY_CLIENT = "by the network, not opened", "by the client, not opened"

-- ---------------------------------------------------------------- the server's HTTP

local function refused(status, follows, header)
  local lines = header and header .. "\r\n" or ""
  return {
    "status " .. status .. (header and ", `" .. header .. "`" or ""), follows = follows,
    play = says(("HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n"):format(status, lines)),
  }
end

local statuses = {}
for _, status in ipairs { 200, 400, 401, 403, 404, 426 } do
  statuses[#statuses + 1] = refused(status, "no")
end
for _, status in ipairs { 408, 425, 429, 500, 502, 503, 504, 520, 530 } do
  statuses[#statuses + 1] = refused(status, AGAIN)
end
statuses[#statuses + 1] = refused(503, "30–60 s", "Retry-After: 30")
statuses[#statuses + 1] = refused(302, "no", "Location: wss://feed.example/")
statuses[#statuses + 1] = {
  "status 403, and its body does not come", waits = { "timeouts.handshake" },
  options = { timeouts = { handshake = 3 } },
  play = says "HTTP/1.1 403 X\r\nContent-Length: 9\r\n\r\n",
}

local refusals = rows({
  at = "asked", how = "by the peer, not opened", error = "http in handshake", ways = acts.PLAIN,
}, statuses)

local unanswered = rows({ at = "asked", how = BY_NETWORK, follows = AGAIN }, {
  { "TCP ends without an answer", play = drops, gone = true, error = "eof in handshake" },
  { "TCP ends in the middle of the answer", play = both(says "HTTP/1.1 101 Sw", drops), gone = true,
    error = "eof in handshake" },
  { "TCP is reset", play = resets, gone = true, error = "reset in handshake" },
  { "no answer", waits = { "timeouts.handshake" }, error = "timeout in handshake" },
  { "no answer, and `timeouts.connect` is shorter", waits = { "timeouts.connect" },
    options = { timeouts = { connect = 4 } }, error = "timeout in handshake" },
})

local cancelled = rows({ at = "asked", how = BY_CLIENT }, {
  { "the program calls `close()`", play = closes },
  { "the program calls `leave()`", play = leaves },
  { "no HTTP", play = says "SSH-2.0-OpenSSH_9.2\r\n\r\n", error = "handshake in handshake" },
  { "a head over `limits.header`", play = says("HTTP/1.1 101 X\r\nA: " .. ("a"):rep(16384)),
    error = "handshake in handshake" },
})

local function wrong(title, answer, protocols)
  return { title, options = { answer = answer, protocols = protocols } }
end

local answers = rows({ at = "new", how = BY_CLIENT, error = "handshake in handshake" }, {
  wrong("a wrong `Sec-WebSocket-Accept`", { set = { ["Sec-WebSocket-Accept"] = "no" } }),
  wrong("no `Upgrade`", { set = { Upgrade = false } }),
  wrong("a subprotocol that was not asked for", { protocol = "other" }),
  wrong("no subprotocol, though some were asked for", { protocol = false }, { "a" }),
})

local extensions = rows({ at = "new", how = BY_CLIENT, error = "extension in handshake" }, {
  wrong("an extension that was not offered", { extensions = "x-other" }),
  wrong("a parameter that there is not", { extensions = "permessage-deflate; no_such" }),
})

local handshake = {}
for _, list in ipairs { refusals, unanswered, cancelled, answers, extensions } do
  for _, row in ipairs(list) do handshake[#handshake + 1] = row end
end

-- ---------------------------------------------------------------- 1010

local function required(parameter)
  return { ["permessage-deflate"] = { required = true, require = parameter and { parameter } } }
end

-- Once the client's Close has come the server says this.
local function answering(bytes)
  return function(s)
    s:silence()
    while s.ws:state() ~= "closing" do s:turn() end
    settle(s)
    if bytes then s:say(bytes) end
  end
end

local CLEAN = "clean, " .. BY_CLIENT

local mandatory = rows({
  at = "new", options = { extensions = required() }, out = 'Close 1010 "…"',
  told = '1010 "permessage-deflate"', how = BY_CLIENT, error = "extension in handshake",
}, {
  { "the server answers our Close", how = CLEAN },
  { "a required parameter is missing", how = CLEAN,
    told = '1010 "permessage-deflate; server_no_context_takeover"',
    options = { extensions = required "server_no_context_takeover",
      answer = { extensions = "permessage-deflate" } } },
  { "the server's first message comes with the 101: it is not given", how = CLEAN .. ", 1 dropped",
    options = { extensions = required(), answer = { body = acts.text "x" } } },
  { "a message was queued before: it does not go out", how = CLEAN .. ", 5 bytes undelivered",
    options = { extensions = required(), outbox = true },
    play = function(s) assert(s.ws:send "hello") end },
  { "the server answers with another code", play = both(answering(close(1000, "so be it")), drops),
    how = CLEAN .. ', received 1000 "so be it"' },
  { "the server ends TCP without a Close", play = both(answering(), drops) },
  { "the server resets TCP", play = both(answering(), resets) },
  { "the server never answers", play = answering(), waits = { "timeouts.close" },
    options = { extensions = required(), timeouts = { close = 3 } } },
  { "the server answers and keeps TCP open", play = answering(close(1010, "permessage-deflate")),
    how = CLEAN, waits = { "timeouts.linger" } },
  { "the program leaves before the answer", play = both(answering(), leaves) },
  { "the program leaves behind it", how = CLEAN,
    play = both(both(answering(close(1010, "permessage-deflate")), settle), leaves) },
})

-- ---------------------------------------------------------------- the way to the server

local way = {}

local function on_the_way(common, list)
  for _, row in ipairs(rows(common, list)) do way[#way + 1] = row end
end

for _, phase in ipairs {
  { "dns", "its name is looked up", "timeouts.dns", "dns" },
  { "tcp", "TCP connects", "timeouts.connect", "tcp" },
  { "proxy's name", "its proxy's name is looked up", "timeouts.dns", "dns" },
  { "proxy", "its proxy opens the tunnel", "timeouts.connect", "proxy" },
  { "proxy's TLS", "TLS with its proxy shakes hands", "timeouts.tls", "proxy" },
  { "tls", "TLS shakes hands", "timeouts.tls", "tls" },
} do
  local title = "while " .. phase[2] .. ": "
  on_the_way({ at = phase[1], how = BY_CLIENT }, {
    { title .. "`close()`", play = closes },
    { title .. "`leave()`", play = leaves },
    { title .. "no answer", waits = { phase[3] }, how = BY_NETWORK,
      error = "timeout in " .. phase[4], follows = AGAIN },
  })
end

-- Once the client has said something it is told this, and TCP ends.
local function tells(bytes)
  return function(c)
    c:wait("bytes", function() return c.bytes_in > 0 end)
    if bytes then c:send(bytes) end
    c:finish()
  end
end

on_the_way({ how = BY_NETWORK, follows = AGAIN }, {
  { "the name has no address", meets = "no address", error = "dns in dns" },
  { "the port is closed", meets = "a closed port", error = "refused in tcp" },
})

local HTTP_PROXY, SOCKS_PROXY = "http://127.0.0.1:%d", "socks5h://127.0.0.1:%d"

on_the_way({ meets = "a proxy", how = BY_NETWORK, error = "proxy in proxy", follows = AGAIN }, {
  { "the proxy answers 407", proxy = HTTP_PROXY, follows = "no",
    script = tells "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n" },
  { "the proxy answers 502", proxy = HTTP_PROXY,
    script = tells "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n" },
  { "the proxy ends TCP", proxy = HTTP_PROXY, script = tells() },
  { "a SOCKS5 proxy takes no way to log in of ours", proxy = SOCKS_PROXY, script = tells "\5\255" },
})

on_the_way({ meets = "TLS", told = "1015", how = BY_NETWORK, error = "tls in tls",
  follows = AGAIN }, {
  { "TCP ends while TLS shakes hands", script = tells() },
  { "TLS is answered in plain HTTP", script = tells "HTTP/1.1 400 Bad Request\r\n\r\n" },
})

on_the_way({ at = "new", ways = { acts.TLS }, told = "1015", how = BY_CLIENT,
  error = "tls in tls" }, {
  { "the certificate is not trusted", options = { tls = {}, stalls = "tls" } },
  { "the certificate is another host's",
    options = { tls = { server_name = "other.example" }, stalls = "tls" } },
})

return {
  acts.section("The handshake fails", "The server has the request. No frame goes out.", handshake),
  acts.section("A required extension is missing: 1010",
    '`extensions = { ["permessage-deflate"] = { required = true } }`, and the 101 has none.',
    mandatory),
  acts.section("The way to the server fails", "No connection is open yet, and no frame goes out.",
    way),
}
