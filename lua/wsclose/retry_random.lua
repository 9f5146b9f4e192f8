--- Chance for retry policies: numbers that differ between processes and leave math.random alone.

-- Anything that differs between processes, folded into a number.
local function system_seed()
  local text = { tostring {}, tostring(os.time()), tostring(os.clock()), tostring(print) }
  local file = io and io.open and io.open("/dev/urandom", "rb")
  if file then
    file:setvbuf "no"
    text[#text + 1] = file:read(8) or ""
    file:close()
  end
  local seed = 1
  for byte in table.concat(text):gmatch "." do
    seed = (seed * 257 + byte:byte()) % 2147483647
  end
  return math.max(seed, 1)
end

--- A generator of Park and Miller's kind: exact in doubles.
---@param seed? integer from 1 to 2147483646; default: from the system
---@return fun(): number random in [0, 1)
local function new(seed)
  local state = seed or system_seed()
  return function()
    state = state * 48271 % 2147483647
    return (state - 1) / 2147483646
  end
end

return { new = new }
