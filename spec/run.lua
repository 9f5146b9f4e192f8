-- busted as a plain Lua script, so that any interpreter runs it: lua5.1 spec/run.lua [files]
require "busted.runner" { standalone = false }
