-- Writes the seed corpora: lua fuzz/seeds.lua FOLDER makes FOLDER/<target>/01, 02 …
-- What each target's bytes mean stands on top of its file.

local folder = assert(arg[1], "usage: lua fuzz/seeds.lua FOLDER")

local function byte(pair)
  return string.char(tonumber(pair, 16))
end

local function hex(digits)
  return (digits:gsub("%s", ""):gsub("%x%x", byte))
end

local function frame(head, payload)
  return hex(head) .. (payload or "")
end

local ACCEPT = ("A"):rep(27) .. "="
local CONN, CALLS, HANDSHAKE, DEFLATE, EXTENSION = {}, {}, {}, {}, {}

-- ---------------------------------------------------------------- frames, RFC 6455 5

local SERVER, COMPRESSED, NO_TAKEOVER, TRACE = 1, 2, 4, 8

local function conn(flags, actions, cuts, ...)
  actions, cuts = hex(actions), hex(cuts)
  CONN[#CONN + 1] = string.char(flags, #actions) .. actions .. string.char(#cuts) .. cuts
    .. table.concat { ... }
end

conn(0, "", "03", frame("8105", "Hello"), frame("8900"), frame("880203e8"))
conn(0, "0104", "0001", frame("0103", "Hel"), frame("8901", "p"), frame("8002", "lo"))
conn(0, "05", "07", frame("8205", "bytes"), frame("8a04", "ping"), frame("880203e9", ""))
conn(0, "0008090a", "02",
  frame("8101", "a"), frame("8102", "bc"), frame("8100"))
conn(0, "", "01", frame("817e 0080", ("x"):rep(128)),
  frame("827f 0000000000000100", ("y"):rep(256)))
conn(0, "", "", frame("8103 e282ac"), frame("0102 e282"), frame("8001 ac"), frame("8102 c328"))
conn(0, "06", "05", frame("8102", "go"), frame("8800"))
conn(0, "", "04", frame("8809 03f0", "byebye!"))
conn(0, "", "", frame("880103"))
conn(0, "", "", frame("8802 03ed"))
conn(0, "", "", frame("8804 03e8 ffff"))
conn(TRACE, "0402", "06", frame("8900"), frame("8a01", "x"), frame("8102", "hi"),
  frame("8802 0fa0"))
conn(SERVER, "0102", "09", frame("8185 00000000", "Hello"), frame("8980 01020304"),
  frame("8882 00000000 03e8"))
conn(SERVER + COMPRESSED, "02", "0a", frame("c187 00000000 f248cdc9c90700"))
conn(COMPRESSED, "02", "02", frame("c107 f248cdc9c90700"), frame("c105 f200110000"),
  frame("8101", "a"), frame("c101 00"))
conn(COMPRESSED, "0a0a02", "03", frame("4103 f248cd"), frame("8004 c9c90700"))
conn(COMPRESSED, "", "", frame("c10b f248050000000ffff0c401"), frame("c108 f348cdc9c9070000"))
conn(COMPRESSED + NO_TAKEOVER, "0202", "05", frame("c107 f248cdc9c90700"),
  frame("c107 f248cdc9c90700"))

-- Close codes on either side of each border of what may travel.
for _, code in ipairs {
  "0000", "03e7", "03eb", "03ec", "03ed", "03ee", "03ef", "03f6", "03f7", "03f8", "0bb7", "0bb8",
  "1387", "1388", "ffff",
} do
  conn(0, "", "", frame("8802" .. code))
end

-- ---------------------------------------------------------------- calls

local function calls(flags, fail_in, ...)
  CALLS[#CALLS + 1] = string.char(flags, fail_in) .. table.concat { ... }
end

-- 01: take an event; 02+8n: take output; 03+8n: time; 04+8n: act; 06 n: give n bytes; 07: end
calls(8, 255, hex "01", hex "fa 06 07", frame("8105", "Hello"), hex "01 0c 14 fa")
calls(8, 255, hex "01 14 2c fa fb 06 04", frame("880203e8"), hex "01 fb 01")
calls(8 + 2, 255, hex "01 14 06 09", frame("c107 f248cdc9c90700"), hex "01 44 4c 02 0a")
calls(8 + 4, 200, hex "01 24 06 02 8900 01 01 01 fa 01")
calls(8 + 1, 255, hex "01 06 0b", frame("8185 00000000", "Hello"), hex "01 0c fa 07")
calls(0, 12, hex "fb fb fb fa 01")
calls(8, 255, hex "01 fb fb fa fb fb fb 01 2d fb fb")

-- ---------------------------------------------------------------- handshake, RFC 6455 4

local DEFLATE_OFFERED, REQUIRED, OTHER, PROTOCOLS = 2, 4, 8, 16

local function handshake(flags, cuts, first, lines, rest)
  cuts = hex(cuts)
  HANDSHAKE[#HANDSHAKE + 1] = string.char(flags, #cuts) .. cuts .. first .. "\r\n"
    .. table.concat(lines, "\r\n") .. "\r\n\r\n" .. (rest or "")
end

local function answer(flags, cuts, lines, rest)
  local all = { "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " .. ACCEPT }
  for _, line in ipairs(lines) do all[#all + 1] = line end
  handshake(flags, cuts, "HTTP/1.1 101 Switching Protocols", all, rest)
end

answer(0, "", {}, frame("8102", "hi"))
answer(DEFLATE_OFFERED, "10", {
  "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
}, frame("c107 f248cdc9c90700"))
answer(DEFLATE_OFFERED + REQUIRED, "", { "Sec-WebSocket-Extensions: permessage-deflate" })
answer(DEFLATE_OFFERED + REQUIRED + OTHER, "", {}, frame("880203f2"))
answer(OTHER, "", { "Sec-WebSocket-Extensions: bbf-usp-protocol; eid=\"a\"" })
answer(PROTOCOLS, "05", { "Sec-WebSocket-Protocol: chat.v1" })
answer(PROTOCOLS, "", {})
answer(0, "", { "X-Folded: a", "\tb", "Set-Cookie: a=1", "Set-Cookie: b=2" })
handshake(0, "", "HTTP/1.1 403 Forbidden", { "Content-Length: 3" }, "no!")
handshake(0, "07", "HTTP/1.1 503 Service Unavailable", {
  "Retry-After: 5", "Transfer-Encoding: chunked",
}, "2\r\nno\r\n0\r\n\r\n")
handshake(0, "", "HTTP/1.0 302 Found", { "Location: ws://b.example/" })
handshake(SERVER, "", "GET /chat?a=1 HTTP/1.1", {
  "Host: a.example", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
}, frame("8180 00000000"))
handshake(SERVER + DEFLATE_OFFERED + PROTOCOLS, "20", "GET / HTTP/1.1", {
  "Host: a.example", "Upgrade: websocket", "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: chat.v1, chat.v2",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other; a=b",
})
handshake(SERVER, "", "POST / HTTP/1.1", { "Host: a.example" })
handshake(SERVER, "", "GET / HTTP/1.1", {
  "Host: a.example", "Upgrade: websocket", "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 8",
})

-- ---------------------------------------------------------------- deflate, RFC 7692 7.2.3

local COMPRESS = 2

local function inflate(flags, bits, limit, ...)
  local messages = {}
  for _, digits in ipairs { ... } do
    local bytes = hex(digits)
    messages[#messages + 1] = string.char(#bytes) .. bytes
  end
  DEFLATE[#DEFLATE + 1] = string.char(flags, bits, limit) .. table.concat(messages)
end

local function round_trip(flags, bits, level, mem_level, ...)
  local messages = {}
  for i, text in ipairs { ... } do
    messages[i] = string.char(3, math.floor(#text / 8)) .. text
  end
  local head = string.char(flags + COMPRESS, bits, level, mem_level)
  DEFLATE[#DEFLATE + 1] = head .. table.concat(messages)
end

inflate(0, 63, 5, "f248cdc9c90700", "f200110000", "00")
inflate(0, 0, 5, "f348cdc9c9070000", "f348cdc9c90700f348cdc9c9070000")
inflate(1, 63, 5, "f248050000000ffff0c9c90700", "000500faff48656c6c6f00")
inflate(8, 63, 1, "4a4c4a06000000ffff4a01", "aa5602")
inflate(0, 63, 255, "ecc1010d000000c2a0fd536e0e373f0000000000000000000000000000")
round_trip(0, 63, 0, 7, ("hello, hello; "):rep(8), "", ("\0"):rep(80))
round_trip(1, 0, 9, 0, ("0123456789abcdef"):rep(9), ("0123456789abcdef"):rep(9))
round_trip(12, 27, 4, 3, ("a line of text\n"):rep(16), ("b"):rep(8))

-- ---------------------------------------------------------------- URLs

local URI = {
  "ws://a.example", "wss://A.Example:443/x?y=z", "ws://user:p%40ss@a.example:8080/chat",
  "ws://[2001:db8::1]:9001/", "ws://[::ffff:192.0.2.1]", "ws+unix:///run/a.sock:/chat?x=1",
  "wss+unix:///run/b%20c.sock", "ws://192.0.2.1/%e2%82%ac", "ws://a.example/#part",
  "http://a.example/", "ws://", "ws://a.example:0/", "ws://a.example:65536/", "ws://a b/",
  "ws://xn--bcher-kva.example./", "ws://a.example?q", "WSS://a", "ws://[fe80::1%25eth0]/",
  "ws://a.example/%zz",
}

-- ---------------------------------------------------------------- extensions, RFC 7692 7.1

local function extension(kind, ...)
  EXTENSION[#EXTENSION + 1] = hex(kind) .. table.concat({ ... }, "\n")
end

extension("0000", "permessage-deflate")
extension("0101", "permessage-deflate; client_max_window_bits=12")
extension("0202", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
  .. 'server_max_window_bits="10"; client_max_window_bits=9')
extension("1404", "permessage-deflate", "bbf-usp-protocol; eid=a")
extension("1800", "x-unknown; a; b=\"c\\d\", permessage-deflate")
extension("2203", "permessage-deflate; server_max_window_bits=8, permessage-deflate")
extension("0000", "permessage-deflate; server_max_window_bits=08")
extension("0000", " , ,permessage-deflate ;  server_no_context_takeover=1")
extension("0000", "a;b=\"unfinished")

-- --------------------------------------------------------------- proxies, RFC 9110 9.3.6, RFC 1928

local TUNNEL = {}
local SOCKS5, LOGIN, IPV6, ENDS, MEMORY = 1, 2, 4, 8, 16

local function tunnel(flags, cuts, ...)
  cuts = hex(cuts)
  TUNNEL[#TUNNEL + 1] = string.char(flags, #cuts) .. cuts .. table.concat { ... }
end

tunnel(0, "03", "HTTP/1.1 200 Connection established\r\n\r\n", frame("8105", "Hello"))
tunnel(LOGIN, "0701", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nVia: x\r\n\r\n")
tunnel(ENDS, "", "HTTP/1.1 407 Proxy Authentication Required\r\n",
  "Proxy-Authenticate: Basic\r\n\r\n")
tunnel(ENDS, "05", "HTTP/1.1 2")
tunnel(0, "", "SSH-2.0-x\r\n")
tunnel(SOCKS5, "00", hex "0500 05000001 7f000001 0050", "rest")
tunnel(SOCKS5 + LOGIN, "02", hex "0502 0100 05000003 03", "abc", hex "0050")
tunnel(SOCKS5 + LOGIN, "", hex "0502 0101")
tunnel(SOCKS5 + IPV6, "01", hex "0500 05000004 20010db8000000000000000000000001 01bb")
tunnel(SOCKS5 + ENDS, "", hex "0500 0505")
tunnel(SOCKS5, "", hex "05ff")
tunnel(SOCKS5 + LOGIN + MEMORY, "", hex "04 0502 0100 05000001 7f000001 0050")

-- ---------------------------------------------------------------- whole clients

local CLIENT = {}
local C = {
  DEFLATE = 1, RETRY = 2, OUTBOX = 4, PIECES = 8, EASY = 16, SOCKETS = 32, REDIRECTS = 128,
}

local function client(flags, fail_in, ...)
  CLIENT[#CLIENT + 1] = string.char(flags, fail_in) .. table.concat { ... }
end

-- 00: update; 02 n: time; 03 n bytes; 04 head, n, payload; 05: Close; 06: the answer; 07: end;
-- 08: fault; 09: the dial; 0a n: room; 0c: receive; 0d: redirect; from 0f on the program acts
client(C.EASY, 255, hex "0000 0481 05", "Hello", hex "0002 0501", "bye", hex "0000")
client(C.EASY + C.SOCKETS, 255, hex "00000000 0481 05", "Hello", hex "0002 0000 0500", "abc")
client(C.EASY + C.DEFLATE, 255, hex "0000 04c107 f248cdc9c90700 0007 0000")
client(C.RETRY + C.OUTBOX + C.EASY, 255, hex "0000 0501", "abc", hex "0000 02ff 00 02ff 000000")
client(C.REDIRECTS, 255, hex "00 0901 0d05", "/next", hex "00 0901 06 00")
client(C.PIECES + C.EASY, 255, hex "0000 0481 05", "Hello", hex "0004 0103", "abc", hex "00 07 00")
client(C.OUTBOX + C.SOCKETS, 189, "FET [ TH/ [ TH/", hex "80ff 7450 2f31 0000")
-- found: after leave() a client with an outbox could not be closed again
client(C.EASY + C.SOCKETS + C.OUTBOX, 255, hex "0000 47 0028 00")
-- found: without memory to read the peer's Close, the end did not come
client(255, 17, hex "000000 04c107f20000 07 0000 267b7b7b7b7b7b7b")
-- found: nor did a turn end that looked for it behind what else had come
client(255, 17, hex "0000 04c1 04c107f2", "status", hex "48cdc959595972436f216e812c05b3070000")

-- ---------------------------------------------------------------- redirects, RFC 9110 10.2.2

local REDIRECT = {
  "ws://a.example/x/y\0../z?q#f", "//b.example:8/x\0https://u:p@a.example/./..//x",
  "wss://[::1]:8/a/b/\0?q", "120\0Sun, 06 Nov 1994 08:49:37 GMT", "retry=5-30\0retry=5.",
  "ws+unix:///run/a.sock:/x\0/y", "Sunday, 06-Nov-94 08:49:37 GMT\0Sun Nov  6 08:49:37 1994",
  "Wss://0y\0//FnF/5[7", -- found: resolved again, the scheme was another
}

-- ---------------------------------------------------------------- option tables

local OPTIONS = {}
for first = 0, 30 do
  OPTIONS[#OPTIONS + 1] = hex "01 00 03"
    .. string.char(1, first, 5, 3, 1, 16 + first, 0, 2, 1, first, 2, first + 40, 6, 1)
end

-- ---------------------------------------------------------------- writing

local function write(target, seeds)
  local path = folder .. "/" .. target
  assert(os.execute("mkdir -p '" .. path .. "'"))
  for i, bytes in ipairs(seeds) do
    local file = assert(io.open(("%s/%02d"):format(path, i), "wb"))
    file:write(bytes)
    file:close()
  end
end

write("client", CLIENT)
write("conn", CONN)
write("calls", CALLS)
write("handshake", HANDSHAKE)
write("deflate", DEFLATE)
write("tunnel", TUNNEL)
write("uri", URI)
write("extension", EXTENSION)
write("redirect", REDIRECT)
write("options", OPTIONS)

-- Beside others: the streams without flags and actions, the heads without flags and cuts.
local function without_front(seeds, pieces)
  local bare = {}
  for i, bytes in ipairs(seeds) do
    local at = 2
    for _ = 1, pieces do at = at + 1 + bytes:byte(at) end
    bare[i] = bytes:sub(at)
  end
  return bare
end
local HEADS = without_front(HANDSHAKE, 1)
for _, body in ipairs {
  "5\r\nHello\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n000a\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
  "1\nx\n0\n\n", "g\r\n", "ffffffffffffffff\r\nx", "2\r\nabc\r\n",
} do
  HEADS[#HEADS + 1] = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n" .. body
end
write("heads", HEADS)
write("wslay", without_front(CONN, 1))
