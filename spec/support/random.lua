--- Park and Miller's generator: the same numbers on every Lua.
---@param seed integer
---@return fun(low: integer, high: integer): integer
return function(seed)
  local state = (seed * 7919) % 2147483646 + 1
  return function(low, high)
    state = state * 16807 % 2147483647
    return low + state % (high - low + 1)
  end
end
