--- Queues of what has `data`, open at both ends, which know how many bytes wait in them.

local queue = {}

---@class wsclose.Queue items, from `first` to `last`
---@field first integer
---@field last integer
---@field bytes integer of the data of all

---@return wsclose.Queue
function queue.new()
  return { first = 1, last = 0, bytes = 0 }
end

---@return table? item nil: it is empty
function queue.front(self)
  return self[self.first]
end

local function put(self, index, item)
  self[index] = item
  self.bytes = self.bytes + #(item.data or "")
end

function queue.push(self, item)
  self.last = self.last + 1
  put(self, self.last, item)
end

function queue.push_front(self, item)
  self.first = self.first - 1
  put(self, self.first, item)
end

local function take(self, index)
  local item = self[index]
  self[index] = nil
  self.bytes = self.bytes - #(item.data or "")
  return item
end

--- Takes the front one; there has to be one.
---@return table item
function queue.shift(self)
  self.first = self.first + 1
  return take(self, self.first - 1)
end

--- Takes the last one; there has to be one.
---@return table item
function queue.pop(self)
  self.last = self.last - 1
  return take(self, self.last + 1)
end

return queue
