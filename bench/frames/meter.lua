--- Measures what a frame's call costs, by what the client was doing.
local SECONDS = tonumber(os.getenv "WSCLOSE_SECONDS")

---@param label string
---@param state fun(): string
---@param update fun()
---@return fun(): boolean frame true once, when the time is over and all is printed
return function(label, state, update)
  local longest, frames, began, over = {}, {}, os.time(), false
  return function()
    local before, start = state(), os.clock()
    update()
    local took = os.clock() - start
    local after = state()
    local doing = before == after and before or before .. " to " .. after
    longest[doing] = math.max(longest[doing] or 0, took)
    frames[doing] = (frames[doing] or 0) + 1
    if over or os.time() - began < SECONDS then return false end
    over = true
    local names = {}
    for name in pairs(longest) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      local line = "LONGEST %-7s %-22s %6d frames, longest %.3f ms of CPU"
      print(line:format(label, name, frames[name], longest[name] * 1000))
    end
    return true
  end
end
