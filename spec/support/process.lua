--- Servers that we did not write, as processes of their own beside the suite.
--
--     local process = require "support.process"
--     local peer = process.start { "/usr/bin/python3", "spec/support/peers/websockets_server.py" }
--     peer.port                                -- it printed "PORT n"
--     peer:tell "close 4000 bye"               -- a line to its standard input
--     local code = peer:expect "^CLOSED (%d+)" -- waits for a line that it prints
--     peer:stop()                              -- or process.stop_all()
--
-- Each is started by peers/guard.py, which holds one connection to the suite and ends its command
-- when that ends: by `stop`, or because the suite was killed.

local socket = require "socket"

local PYTHON = "/usr/bin/python3" -- Debian's own; another on the path may not see its modules
local GUARD = "spec/support/peers/guard.py"

local process = {}

--- How long to wait for a process before it is called stuck; no measure of speed.
process.patience = 20

---@class support.Process
---@field name string the command, for messages
---@field port? integer from the line "PORT n"
---@field lines string[] all it printed
local Process = {}
Process.__index = Process

local running = {}

---@param words string[]
---@return string for the shell
local function quote(words)
  local quoted = {}
  for i, word in ipairs(words) do
    quoted[i] = "'" .. tostring(word):gsub("'", "'\\''") .. "'"
  end
  return table.concat(quoted, " ")
end

local function launch(command, option)
  local listener = assert(socket.bind("127.0.0.1", 0, 1))
  local _, control_port = listener:getsockname()
  local words = { PYTHON, "-I", "-S", GUARD, option }
  words[#words + 1] = control_port
  for _, word in ipairs(command) do
    words[#words + 1] = word
  end
  os.execute(quote(words) .. " </dev/null >/dev/null &")
  listener:settimeout(process.patience)
  local control, why = listener:accept()
  listener:close()
  return control or error(("%s was not started: %s"):format(quote(command), why), 0)
end

---@class support.ProcessOptions
---@field [integer] string the command and its arguments
---@field find_port? boolean it does not print "PORT n" itself
---@field prompt? boolean lines go to and fro in great numbers
---@field portless? boolean it opens no port: do not wait for one

--- Starts a command and waits until it says which port it listens on.
---@param command support.ProcessOptions
---@return support.Process
function process.start(command)
  local self = setmetatable({
    name = table.concat(command, " "),
    lines = {},
    read = 0, -- of lines, how many `expect` has passed
    partial = "",
  }, Process)
  local option = command.find_port and "--find-port" or command.prompt and "--prompt" or nil
  self.control = launch(command, option)
  if command.prompt then self.control:setoption("tcp-nodelay", true) end
  running[self] = true
  if not command.portless then
    self.port = tonumber((self:expect "^PORT (%d+)$"))
  end
  return self
end

-- One more line, if it comes in time.
local function read_line(self, give_up_at)
  self.control:settimeout(math.max(0, give_up_at - socket.gettime()))
  local line, why, partial = self.control:receive("*l", self.partial)
  if line then
    self.lines[#self.lines + 1], self.partial = line, ""
    return true
  end
  self.partial = partial or ""
  return false, why
end

-- The first line that matches among those not passed over yet.
local function find(self, pattern)
  while self.read < #self.lines do
    self.read = self.read + 1
    local line = self.lines[self.read]
    if line:find(pattern) then
      return line
    end
  end
end

--- Looks, without waiting, for a line that matches; lines before it are passed over (and kept in
--- `lines`).
---@param pattern string of Lua
---@return string? ... the captures, or the line; nil: not yet, or with "closed" never: it ended
function Process:look(pattern)
  local more, why
  repeat
    more, why = read_line(self, 0)
  until not more
  local line = find(self, pattern)
  if line then
    return line:match(pattern)
  end
  return nil, why
end

--- The same, and waits for it.
---@param pattern string of Lua
---@return string ... the captures, or the line
function Process:expect(pattern)
  local give_up_at = socket.gettime() + process.patience
  local line = find(self, pattern)
  while not line do
    local more, why = read_line(self, give_up_at)
    if not more then
      local sentence = "%s: no line that matches %q (%s); it printed:\n%s"
      local printed = table.concat(self.lines, "\n") .. "\n" .. self.partial
      why = why == "closed" and "it ended" or "it is silent"
      error(sentence:format(self.name, pattern, why, printed), 2)
    end
    line = find(self, pattern)
  end
  return line:match(pattern)
end

--- Sends one line to its standard input.
---@param line string
function Process:tell(line)
  assert(self.control:send(line .. "\n"))
end

--- Ends it, and waits until it has ended.
function Process:stop()
  if running[self] then
    running[self] = nil
    self.control:shutdown "send"
    self.control:settimeout(process.patience)
    self.control:receive "*a"
    self.control:close()
  end
end

--- Ends all that still run.
function process.stop_all()
  for each in pairs(running) do
    each:stop()
  end
end

--- Runs a command to its end.
---@param command string[]
---@return boolean ok did it exit with 0?
function process.run(command)
  local status = os.execute(quote(command))
  return status == true or status == 0
end

return process
