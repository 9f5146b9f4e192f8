--- What the clients of the benchmarks in Lua share: arguments, the message and its check, the line
-- of the result.
--
--     local b = require("bench.workload").arguments(arg, clock)   -- clock: CPU time in ns
--     b:begin(); …; b:finish(); b:result()

local workload = { IN_FLIGHT = 64 }

---@class bench.Workload
---@field url string without a path
---@field name string of the workload
---@field path string for the URL
---@field size integer
---@field count integer units to be measured
---@field warm integer units before that
---@field message string of `size` bytes
---@field clock fun(): number CPU time of the process in ns
local Workload = {}
Workload.__index = Workload

local PATHS = {
  receive = "/flood?size=%d&count=%d&warm=%d",
  inflate = "/json?size=%d&count=%d&warm=%d",
  send = "/sink?size=%d&count=%d&warm=%d",
}

--- The message that all send and expect.
---@param size integer
---@return string
function workload.message(size)
  local alphabet = "abcdefghijklmnopqrstuvwxyz"
  return alphabet:rep(math.ceil(size / 26)):sub(1, size)
end

local function process_clock()
  return os.clock() * 1e9
end

---@param words string[] URL WORKLOAD SIZE COUNT
---@param clock? fun(): number
---@return bench.Workload
function workload.arguments(words, clock)
  local size, count = tonumber(words[3]), tonumber(words[4])
  if not count then
    io.stderr:write("usage: PROGRAM URL WORKLOAD SIZE COUNT\n")
    os.exit(1)
  end
  local warm = math.max(1, math.floor(count / 10))
  return setmetatable({
    url = words[1], name = words[2], size = size, count = count, warm = warm,
    path = (PATHS[words[2]] or "/echo"):format(size, count, warm),
    message = workload.message(size),
    clock = clock or process_clock,
  }, Workload)
end

--- Ends the program with a sentence unless all is well.
function workload.check(good, sentence)
  if good then return good end
  io.stderr:write(tostring(sentence), "\n")
  os.exit(1)
end

--- The look at the last message.
---@param data string
function Workload:check(data)
  local good = data == self.message
  if self.name == "inflate" then
    good = #data == self.size and data:find '^{"seq":' and data:find "}$"
  end
  workload.check(good, "a message has another content")
end

function Workload:begin()
  collectgarbage()
  self.began = self.clock()
end

function Workload:finish()
  self.took = self.clock() - self.began
end

---@param number? number in place of the nanoseconds
function Workload:result(number)
  print(("RESULT %d %.0f"):format(self.count, number or self.took))
end

--- Resident memory of this process in bytes.
---@return integer
function workload.resident()
  local file = assert(io.open "/proc/self/statm")
  local pages = file:read "*l":match "^%d+ (%d+)"
  file:close()
  return tonumber(pages) * 4096
end

return workload
