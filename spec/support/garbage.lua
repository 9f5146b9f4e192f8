--- Collects what can be reached no more.  LuaJIT's traces hold the functions they were recorded in,
--- with all that those hold, until they are flushed.

local flush = type(jit) == "table" and jit.flush or function() end

return function()
  flush()
  collectgarbage()
  collectgarbage()
end
