-- A build without sockets (WSC_WITHOUT_NET): scripts/portability runs this with it.  That it loads
-- shows that it needs nothing that was left out.
local core = require "wsclose.core"
local wsclose = require "wsclose"

local ws, sentence, name = wsclose.new "ws://a.example/"
assert(ws == nil and sentence:find "built without sockets" and name == "state")

local client = assert(wsclose.protocol "ws://a.example/")
local server = assert(wsclose.protocol(nil, { role = "server" }))
assert(server:input(client:output()) and server:next() == "open")
assert(client:input(server:output()) and client:next() == "open")
assert(client:send "hello" and server:input(client:output()))
assert(select(2, server:next()) == "hello")

local before = core.now()
core.sleep(0.001)
assert(core.now() - before >= 0.001)
print "a handshake and a message without sockets, and a sleep"
