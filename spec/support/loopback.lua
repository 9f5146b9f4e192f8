--- What was sent over loopback is there.  The kernel hands packets on in their order; on a busy
-- machine that may be after the call that sent them has come back.  A datagram to oneself comes
-- behind them.
--
--     loopback.settle()

local socket = require "socket"

local loopback = {}

-- From the start: specs look at which descriptors are new.
local mail = assert(socket.udp())
assert(mail:setsockname("127.0.0.1", 0))
assert(mail:setpeername(mail:getsockname()))
mail:settimeout(30)

-- The second time for what a kernel sends on its own account: a window opens, and more comes.
function loopback.settle()
  for _ = 1, 2 do
    assert(mail:send "x")
    assert(mail:receive())
  end
end

return loopback
