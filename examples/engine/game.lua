--- The game: a client that comes back by itself, and a budget for what one frame takes.
--
-- WSCLOSE_FEED names the server, WSCLOSE_CA_PEM holds the text of an authority's certificate (an
-- engine would embed it): with it no file is read for TLS.

local wsclose = require "wsclose"

local MESSAGES, SECONDS = 200, 0.0005

local ws = assert(wsclose.new(os.getenv "WSCLOSE_FEED" or "ws://127.0.0.1:9001/", {
  retry = true,
  tls = { ca = os.getenv "WSCLOSE_CA_PEM" },
  on_open = function(ws)
    print "open"
    ws:send "hello"
  end,
  on_close = function(_, _, _, info) print(tostring(info)) end,
}))

-- Messages by receive(0), which never waits: as many as the budget has; the rest stays in the
-- connection until the next frame.
function frame() -- luacheck: ignore 111
  local state, give_up_at = ws:state(), os.clock() + SECONDS
  for _ = 1, MESSAGES do
    local data, kind = ws:receive(0)
    if not data then break end
    print(kind, data)
    if os.clock() > give_up_at then break end
  end
  return state
end
