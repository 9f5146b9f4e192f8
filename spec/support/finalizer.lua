local newproxy = rawget(_G, "newproxy")

--- What calls a function as it is collected, in any Lua: 5.1 knows finalizers of userdata only.
---@param f fun()
---@return table|userdata
return function(f)
  if not newproxy then return setmetatable({}, { __gc = f }) end
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = f
  return proxy
end
