--- The game: a client that comes back by itself, and a budget for what one frame takes.
--
-- WSCLOSE_FEED names the server, WSCLOSE_CA_PEM holds the text of an authority's certificate (an
-- engine would embed it): with it no file is read for TLS.

local wsclose = require "wsclose"

local ws = assert(wsclose.new(os.getenv "WSCLOSE_FEED" or "ws://127.0.0.1:9001/", {
  retry = true,
  tls = { ca = os.getenv "WSCLOSE_CA_PEM" },
  max_messages = 200, max_time = 0.0005, -- of one frame; the rest waits for the next
  on_open = function(ws)
    print "open"
    ws:send "hello"
  end,
  on_message = function(_, data, kind) print(kind, data) end,
  on_close = function(_, _, _, info) print(tostring(info)) end,
}))

function frame() -- luacheck: ignore 111
  local state = ws:state()
  ws:update()
  return state
end
