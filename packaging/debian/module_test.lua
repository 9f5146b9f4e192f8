-- Run by the package's build under each Lua.
local wsclose = require "wsclose"
assert(wsclose.codes[1001] == "GOING_AWAY")
local ws, sentence, name = wsclose.connect("ws://127.0.0.1:1/")
assert(ws == nil and name == "refused", sentence)
