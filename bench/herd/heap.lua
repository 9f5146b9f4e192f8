--- What happens next: a binary heap of times, each with a number.

local heap = {}
heap.__index = heap

---@return table heap
function heap.new()
  return setmetatable({ size = 0, times = {}, ids = {} }, heap)
end

function heap:push(time, id)
  local times, ids = self.times, self.ids
  local at = self.size + 1
  self.size = at
  while at > 1 do
    local above = (at - at % 2) / 2
    if times[above] <= time then break end
    times[at], ids[at] = times[above], ids[above]
    at = above
  end
  times[at], ids[at] = time, id
end

-- Puts the last entry where a gap is, and lets it sink.
local function sink(times, ids, size, time, id)
  local at = 1
  while true do
    local below = 2 * at
    if below > size then break end
    if below < size and times[below + 1] < times[below] then below = below + 1 end
    if times[below] >= time then break end
    times[at], ids[at] = times[below], ids[below]
    at = below
  end
  times[at], ids[at] = time, id
end

---@return number? time the least; nil: the heap is empty
---@return integer id
function heap:pop()
  local times, ids, size = self.times, self.ids, self.size
  if size == 0 then return nil end
  local time, id = times[1], ids[1]
  self.size = size - 1
  if size > 1 then sink(times, ids, size - 1, times[size], ids[size]) end
  return time, id
end

return heap
