--- The rows of the close matrix for a connection that is open.

local acts = require "support.closing.acts"
local wire = require "wsclose.testing.wire"

local text, texts, close, body, frame = acts.text, acts.texts, acts.close, acts.body, acts.frame
local says, closes, both, settle = acts.says, acts.closes, acts.both, acts.settle
local queues, drops, cuts, resets, leaves = acts.queues, acts.drops, acts.cuts, acts.resets,
  acts.leaves
local is_silent, closes_in, SOCKET, TLS = acts.is_silent, acts.closes_in, acts.SOCKET, acts.TLS

local sections = {}

local function section(...)
  sections[#sections + 1] = acts.section(...)
end

-- ---------------------------------------------------------------- the server closes

local peer = {}

local function peer_row(title, payload, told, follows)
  peer[#peer + 1] = {
    title, play = says(body(payload)), ways = acts.PLAIN, follows = follows, told = told,
    out = payload == "" and "Close, empty" or "Close " .. told:match "^%d+" .. ' "…"',
    how = "clean, by the peer",
  }
end

for _, entry in ipairs {
  { 1000, "no" }, { 1001, "0–5 s" }, { 1002, "no" }, { 1003, "no" }, { 1007, "no" },
  { 1008, "no" }, { 1009, "no" }, { 1010, "no" }, { 1011, "0.25–1 s" }, { 1012, "0–15 s" },
  { 1013, "10–30 s" }, { 1014, "0.25–1 s" }, { 3000, "no" }, { 3003, "no" },
  { 3008, "0.25–1 s" }, { 3999, "0.25–1 s" }, { 4000, "0.25–1 s" }, { 4999, "0.25–1 s" },
} do
  local payload = wire.close_payload(entry[1], "why")
  peer_row("Close " .. entry[1], payload, entry[1] .. ' "why"', entry[2])
end
peer_row("an empty Close", "", "1005", "0.25–1 s")

local function not_allowed(title, payload, code, why, follows, received)
  local told = ('%d "%s"'):format(code, why)
  peer[#peer + 1] = {
    title, play = says(body(payload)), ways = acts.PLAIN, follows = follows, told = told,
    out = "Close " .. told:match "^%d+" .. ' "…"',
    how = "by the client" .. (received and ", received " .. received or ""),
    error = (told:match "^1007" and "utf8" or "protocol") .. " in open",
  }
end

for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
  not_allowed("Close " .. code .. ", which may not travel", wire.close_payload(code, "why"),
    1002, ("the peer's Close frame carries %d, a code that may not travel"):format(code),
    "0.25–1 s", code .. ' "why"')
end
not_allowed("a Close with a body of one byte", "\3",
  1002, "the peer's Close frame has a body of one byte", "no")
not_allowed("a Close whose reason is no UTF-8", "\3\232\255",
  1007, "the reason in the peer's Close frame (1000) is not valid UTF-8", "no", "1000")

section("The server closes", "The connection is open and idle. A reason is passed on as it is.",
  peer)

section("The server's Close meets something", nil, {
  { "it comes in one segment with the 101", at = "new",
    options = { answer = { body = close(1001) } },
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "0–5 s" },
  { "messages before it", play = says(texts(2) .. close(1001)),
    out = "Close 1001", told = "1001", how = "clean, by the peer, 2 given", follows = "0–5 s" },
  { "a backlog before it, `max_messages = 1`", options = { max_messages = 1 },
    play = says(texts(3) .. close(1001)),
    out = "Close 1001", told = "1001", how = "clean, by the peer, 3 given", follows = "0–5 s" },
  { "the program has paused: it is told after `resume()`",
    play = function(s)
      s.ws:pause()
      s:say(texts(2) .. close(1001))
      for _ = 1, 10 do
        s:turn()
        s:pass(60)
      end
      assert(not s.closes[1] and not s.got[1])
      s.ws:resume()
    end,
    out = "Close 1001", told = "1001", how = "clean, by the peer, 2 given", follows = "0–5 s" },
  { "a message of which a fragment is missing",
    play = says(frame { payload = "half", fin = false } .. close(1001)),
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "0–5 s" },
  { "the same with `pieces = true`", options = { pieces = true },
    play = says(frame { payload = "half", fin = false } .. close(1001)),
    out = "Close 1001", told = "1001", how = "clean, by the peer, 1 given", follows = "0–5 s" },
  { "a second Close, and a message, behind it", play = says(close(1001) .. text "x" .. close(1000)),
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "0–5 s" },
  { "a message of the program's that is half written",
    play = function(s)
      local writer = s.ws:send_fragments "text"
      writer:write "half"
      s:turn()
      s:say(close(1001))
    end,
    out = "text, Close 1001", told = "1001", how = "clean, by the peer, 4 bytes undelivered",
    follows = "0–5 s" },
  { "8 MiB on their way and 6 bytes behind them: the frame is finished, the rest dropped",
    play = function(s)
      queues(s)
      s:say(close(1001))
      s:turn()
      s:release()
    end,
    out = "binary, Close 1001", told = "1001", how = "clean, by the peer, 6 bytes undelivered",
    follows = "0–5 s" },
  { "the same, and the server reads no more", waits = { "timeouts.close" }, holds = true,
    play = function(s)
      queues(s)
      s:say(close(1001))
      s:turn()
    end,
    out = "nothing", told = "1001", how = "by the peer, 8388614 bytes undelivered",
    error = "close_timeout in close", follows = "0–5 s" },
  { "the server keeps TCP open afterwards", waits = { "timeouts.linger" },
    play = both(is_silent, says(close(1001))),
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "0–5 s" },
  { "the server ends TCP right behind it", gone = true,
    play = both(both(is_silent, says(close(1001))), drops),
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "0–5 s" },
  { "the server resets TCP right behind it", gone = true, ways = { SOCKET },
    play = both(both(is_silent, says(close(1001))), resets),
    out = "nothing", told = "1001", how = "by the peer", follows = "0–5 s" },
  { "TLS ends behind both Closes without its close_notify", ways = { TLS },
    play = function(s)
      s:silence()
      s:say(close(1001))
      settle(s)
      s:drop(true)
    end,
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "0–5 s" },
  { "the program calls `close(4001)` afterwards",
    play = function(s)
      s:silence()
      s:say(close(1001))
      s:turn()
      s.ws:close(4001)
      settle(s)
      s:drop()
    end,
    out = "Close 1001", told = "1001", how = "clean, by the peer", follows = "no" },
})

-- ---------------------------------------------------------------- the program closes

section("The program closes",
  "`close()` while open. Whatever the server answers, no retry follows.", {
  { "`close()`", play = closes(),
    out = "Close 1000", told = "1000", how = "clean, by the client", follows = "no" },
  { '`close(4001, "why")`', play = closes(4001, "why"),
    out = 'Close 4001 "…"', told = '4001 "why"', how = "clean, by the client", follows = "no" },
  { "`close(1001)`: this program goes away", play = closes(1001),
    out = "Close 1001", told = "1001", how = "clean, by the client", follows = "no" },
  { "twice: the first counts", play = both(closes(4001), closes(4002)),
    out = "Close 4001", told = "4001", how = "clean, by the client", follows = "no" },
  { "messages are queued: they go first",
    play = function(s)
      for _ = 1, 3 do assert(s.ws:send "x") end
      s.ws:close()
      assert(not s.ws:send "late")
    end,
    out = "3 × text, Close 1000", told = "1000", how = "clean, by the client", follows = "no" },
  { "a message of its own is half written",
    play = function(s)
      s.ws:send_fragments("text"):write "half"
      s.ws:close()
    end,
    out = "text, Close 1000", told = "1000", how = "clean, by the client, 4 bytes undelivered",
    follows = "no" },
  { "a backlog is not taken, `max_messages = 1`", options = { max_messages = 1 },
    play = function(s)
      s:say(texts(3))
      s.ws:close()
    end,
    out = "Close 1000", told = "1000", how = "clean, by the client, 3 given", follows = "no" },
  { "it has paused: what came is given all the same",
    play = function(s)
      s.ws:pause()
      s:say(texts(3))
      s.ws:close()
    end,
    out = "Close 1000", told = "1000", how = "clean, by the client, 3 given", follows = "no" },
  { "from `on_open`", at = "new", play = closes_in "on_open",
    out = 'Close 1000 "…"', told = '1000 "bye"', how = "clean, by the client", follows = "no" },
  { "from `on_message`: what comes behind is still given",
    play = both(closes_in "on_message", says(texts(2))),
    out = 'Close 1000 "…"', told = '1000 "bye"', how = "clean, by the client, 2 given",
    follows = "no" },
  { "messages come until the server's Close, and a ping, which is not answered",
    play = closes(1000, "", text "x" .. frame { opcode = "ping" } .. text "x" .. close(1000)),
    waits = { "timeouts.linger" },
    out = "Close 1000", told = "1000", how = "clean, by the client, 2 given", follows = "no" },
  { "the server answers with another code",
    play = both(closes(1000, "", close(4001, "why")), drops),
    out = "Close 1000", told = '4001 "why"', how = "clean, by the client", follows = "no" },
  { "the server answers with an empty Close", play = both(closes(1000, "", close()), drops),
    out = "Close 1000", told = "1005", how = "clean, by the client", follows = "no" },
  { "both close at once", play = function(s)
      s:silence()
      s:say(close(1001, "restart"))
      s.ws:close(4001)
      s:turn()
      s:drop()
    end,
    out = "Close 4001", told = '1001 "restart"', how = "clean, by the client", follows = "no" },
  { "the server answers with a code that may not travel",
    play = both(closes(1000, "", close(5000, "why")), drops),
    out = "Close 1000", told = "1006", how = 'by the client, received 5000 "why"',
    error = "protocol in close", follows = "no" },
  { "the server answers with a frame that breaks the protocol",
    play = both(closes(1000, "", frame { opcode = 3 }), drops),
    out = "Close 1000", told = "1006", how = "by the client", error = "protocol in close",
    follows = "no" },
  { "the server ends TCP without a Close", play = both(closes(1000, "", ""), drops),
    out = "Close 1000", told = "1006", how = "by the client", error = "eof in close",
    follows = "no" },
  { "the server resets TCP", play = both(closes(1000, "", ""), resets),
    out = "Close 1000", told = "1006", how = "by the client", error = "reset in close",
    follows = "no" },
  { "the server never answers", play = closes(1000, "", ""), waits = { "timeouts.close" },
    out = "Close 1000", told = "1006", how = "by the client", error = "close_timeout in close",
    follows = "no" },
  { "the server answers and keeps TCP open", play = closes(1000, "", close(1000)),
    waits = { "timeouts.linger" },
    out = "Close 1000", told = "1000", how = "clean, by the client", follows = "no" },
  { "8 MiB are queued, and the server reads nothing", waits = { "timeouts.close" }, holds = true,
    play = both(queues, function(s) s.ws:close() end),
    out = "nothing", told = "1006", how = "by the client, 8388614 bytes undelivered",
    error = "close_timeout in close", follows = "no" },
  { "8 MiB are queued, and the server reads them too slowly", waits = { "timeouts.drain" },
    options = { timeouts = { drain = 10, close = 9 } }, holds = true,
    between = function(s) s:take(100000) end,
    play = both(queues, function(s) s.ws:close() end),
    out = "nothing", told = "1006", how = "by the client, 8388614 bytes undelivered",
    error = "close_timeout in close", follows = "no" },
})

local function reconnects(s)
  s.ws:reconnect(4001, "why", { 3, 5 })
  s:turn()
end

section("The program reconnects",
  '`reconnect(4001, "why", { 3, 5 })` while open; it needs no `retry`.', {
  { "the server answers", play = reconnects, again = true,
    out = 'Close 4001 "…"', told = '4001 "why"', how = "clean, by the client", follows = "3–5 s" },
  { "the server answers with 1000", play = both(both(is_silent, reconnects), says(close(1000))),
    waits = { "timeouts.linger" }, again = true,
    out = 'Close 4001 "why"', told = "1000", how = "clean, by the client", follows = "3–5 s" },
  { "the server never answers", play = both(is_silent, reconnects), waits = { "timeouts.close" },
    again = true,
    out = 'Close 4001 "why"', told = "1006", how = "by the client",
    error = "close_timeout in close", follows = "3–5 s" },
  { "`close()` behind it: it stays closed", play = both(reconnects, closes()),
    out = 'Close 4001 "…"', told = '4001 "why"', how = "clean, by the client", follows = "no" },
})

section("The program leaves",
  "`leave()` waits for nothing: it writes what the kernel takes, and `on_close` is told before it "
  .. "returns. The same Close goes out when an open client is collected or its Lua state ends.", {
  { "while open", play = leaves,
    out = "Close 1001", told = "1001", how = "by the client", follows = "no" },
  { "with a backlog, `max_messages = 1`", options = { max_messages = 1 },
    play = function(s)
      s:say(texts(3))
      s:turn()
      s.ws:leave()
    end,
    out = "Close 1001", told = "1001", how = "by the client, 1 given, 2 dropped", follows = "no" },
  { "behind 8 MiB that the server does not read", play = both(queues, leaves), holds = true,
    out = "nothing", told = "1006", how = "by the client, 8388614 bytes undelivered",
    follows = "no" },
  { "after `close()`, which is not answered yet",
    play = both(closes(1000, "bye", ""), leaves),
    out = 'Close 1000 "bye"', told = "1006", how = "by the client", follows = "no" },
  { "after both Closes, which it began, while the server keeps TCP open",
    play = both(both(closes(4001, "mine", close(4002, "yours")), settle), leaves),
    out = 'Close 4001 "mine"', told = '4002 "yours"', how = "clean, by the client",
    follows = "no" },
  { "after both Closes, which the server began",
    play = function(s)
      s:silence()
      s:say(close(1001, "restart"))
      s:turn()
      s.ws:leave()
    end,
    out = 'Close 1001 "…"', told = '1001 "restart"', how = "clean, by the peer", follows = "no" },
})

-- ---------------------------------------------------------------- the network

section("The network ends it", "The connection is open, and no Close has come.", {
  { "TCP ends", play = drops, gone = true,
    out = "nothing", told = "1006", how = "by the network", error = "eof in open",
    follows = "0–2 s" },
  { "TCP is reset", play = resets, gone = true,
    out = "nothing", told = "1006", how = "by the network", error = "reset in open",
    follows = "0–2 s" },
  { "TCP ends without TLS's close_notify", play = cuts, ways = { TLS }, gone = true,
    out = "nothing", told = "1006", how = "by the network", error = "eof in open",
    follows = "0–2 s" },
  { "the server only stops sending, and goes on reading", ways = { SOCKET },
    play = function(s) s.c:half_close() end,
    out = "nothing", told = "1006", how = "by the network", error = "eof in open",
    follows = "0–2 s" },
  { "messages before it", play = both(says(texts(2)), drops), gone = true,
    out = "nothing", told = "1006", how = "by the network, 2 given", error = "eof in open",
    follows = "0–2 s" },
  { "a backlog before it, `max_messages = 1`", play = both(says(texts(3)), drops), gone = true,
    options = { max_messages = 1 },
    out = "nothing", told = "1006", how = "by the network, 3 given", error = "eof in open",
    follows = "0–2 s" },
  { "in the middle of a frame", play = both(says("\129\5He"), drops), gone = true,
    out = "nothing", told = "1006", how = "by the network", error = "eof in open",
    follows = "0–2 s" },
  { "in the middle of a message", gone = true,
    play = both(says(frame { payload = "half", fin = false }), drops),
    out = "nothing", told = "1006", how = "by the network", error = "eof in open",
    follows = "0–2 s" },
  { "in the middle of a message with `pieces = true`", gone = true, options = { pieces = true },
    play = both(says(frame { payload = "half", fin = false }), drops),
    out = "nothing", told = "1006", how = "by the network, 1 given", error = "eof in open",
    follows = "0–2 s" },
  { "8 MiB on their way", play = both(queues, drops), holds = true, ways = { SOCKET },
    out = "nothing", told = "1006", how = "by the network, 8388614 bytes undelivered",
    error = "reset in open", follows = "0–2 s" },
  { "the server is silent, and answers no ping", play = is_silent,
    waits = { "keepalive.interval", "keepalive.timeout", "timeouts.linger" },
    out = 'ping, Close 1011 "nothing came from the peer for 20 s after a ping"', told = "1006",
    how = "by the network", error = "ping_timeout in open", follows = "0–2 s" },
  { "the same, and its Close comes after all",
    waits = { "keepalive.interval", "keepalive.timeout" },
    play = is_silent, behind = both(says(close(1001)), drops), gone = true,
    out = 'ping, Close 1011 "nothing came from the peer for 20 s after a ping"', told = "1006",
    how = "by the network", error = "ping_timeout in open", follows = "0–2 s" },
})

return sections
