--- What specs of src/net share: name servers and clocks that the spec plays, addresses that lead
-- nowhere, what a process holds, and scripts that run in a process of their own, under strace.
--
-- Whatever is opened here is closed by `network.close_all()`, which belongs into after_each.

local command = require "support.command"
local lfs = require "lfs"
local socket = require "socket"
local scripted = require "support.scripted_server"
local sources = require "support.sources"
local testing = require "wsclose.core_testing"
local unix = require "socket.unix"

local network = {}

--- How long to wait for what must happen before a spec is called stuck; no measure of speed.
network.patience = 20

local open = {}

--- Closes name servers, holes and servers that are still open.
function network.close_all()
  scripted.close_all()
  for thing in pairs(open) do
    if thing.core then thing.core:shut() end -- for each waits for the threads of all
  end
  for thing in pairs(open) do
    thing:close()
  end
  open = {}
end

--- Waits until `happened()` is true, for what is done by threads or processes.
---@generic T
---@param happened fun(): T
---@param what string for the message
---@return T
function network.wait(happened, what)
  local give_up_at = socket.gettime() + network.patience
  local result = happened()
  while not result do
    if socket.gettime() > give_up_at then
      error(("%s did not happen within %d s"):format(what, network.patience), 2)
    end
    socket.select(nil, nil, 0.001)
    result = happened()
  end
  return result
end

-- ---------------------------------------------------------------- time

--- A clock for the option `clock` that moves when it is told to.
---@return {now: number} time
---@return fun(): number clock
function network.new_clock()
  local time = { now = 1000 }
  return time, function()
    return time.now
  end
end

-- ---------------------------------------------------------------- names

---@class network.Resolver
local Resolver = {}
Resolver.__index = Resolver

--- A name server whose answers the spec gives, when it likes; clients must be attached.
---@return network.Resolver
function network.resolver()
  local self = setmetatable({ core = testing.net.resolver() }, Resolver)
  open[self] = true
  return self
end

--- The client asks here from its next attempt on.
---@param ws table
---@return table ws
function Resolver:attach(ws)
  self.core:attach(ws._handle)
  return ws
end

--- Waits until a lookup's thread has asked.
---@return {host: string, port: integer, family: integer}
function Resolver:question()
  local text = network.wait(function()
    return self.core:asked()
  end, "a lookup")
  local host, port, family = text:match "^(%S+) (%d+) (%d+)$"
  return { host = host, port = tonumber(port), family = tonumber(family) }
end

--- Answers one question, asked or to come: with addresses, or by the name of a fault.
---@param ... string "192.0.2.1" or "EAI_NONAME"
function Resolver:answer(...)
  local text = table.concat({ ... }, " ")
  local fault = text:match "^EAI_%u+$"
  self.core:answer(fault and "!" .. testing.net.numbers[fault] or text .. " ")
end

--- Lets all lookups fail, and waits until their threads have ended.
function Resolver:close()
  open[self] = nil
  self.core:shut()
  network.wait_for_threads()
  self.core:close()
end

--- A client whose names are looked up at a resolver of its own.
---@param url string
---@param options? table
---@return table ws
---@return network.Resolver resolver
function network.client(wsclose, url, options)
  local resolver = network.resolver()
  return resolver:attach(assert(wsclose.new(url, options))), resolver
end

-- ---------------------------------------------------------------- addresses that lead nowhere

--- Drops connection attempts: the kernel lets one connection wait at a listener without backlog,
--- and that place is taken here.
---@param host string numeric
---@param port? integer default: one that the kernel chooses
---@return integer port
function network.black_hole(host, port)
  local listener = assert(host:find ":" and socket.tcp6() or socket.tcp4())
  listener:setoption("reuseaddr", true)
  local bound, why = listener:bind(host, port or 0)
  if not bound then
    listener:close()
    error(why, 2)
  end
  assert(listener:listen(0))
  port = tonumber((select(2, listener:getsockname())))
  local filler = assert(socket.connect(host, port))
  open[{
    close = function()
      filler:close()
      listener:close()
    end,
  }] = true
  return port
end

--- A server with black holes at the same port of other addresses. The kernel chooses a port that is
--- free at the server's; another program may have it at the others, then another server is tried.
---@param new_server fun(): table with `port`
---@param ... string hosts
---@return table server
function network.behind_holes(new_server, ...)
  local why
  for _ = 1, 20 do
    local server, dug = new_server(), true
    for _, host in ipairs { ... } do
      if dug then dug, why = pcall(network.black_hole, host, server.port) end
    end
    if dug then return server end
  end
  error(why, 2)
end

--- The path of a unix socket that nobody else uses; the file is removed in the end.
---@return string
function network.unix_path()
  local path = os.tmpname()
  os.remove(path)
  open[{
    close = function()
      os.remove(path)
    end,
  }] = true
  return path
end

-- What luasocket knows of TCP alone is left out.
local function like_tcp(stream)
  return setmetatable({ setoption = function() end, getoption = function() end }, {
    __index = function(_, method)
      return function(_, ...)
        return stream[method](stream, ...)
      end
    end,
  })
end

--- A unix socket that luasocket has made.
network.unix_stream = type(unix) == "table" and unix.stream or unix

--- A scripted server behind a path: its listener is put in the place of a TCP one.
---@param path string
---@param script scripted.Script
---@return scripted.Server
function network.unix_server(path, script)
  local server, listener = scripted.new(script), assert(network.unix_stream())
  listener:settimeout(0)
  assert(listener:bind(path))
  assert(listener:listen(8))
  server.listener:close()
  server.listener, server.path = like_tcp(listener), path
  function server.listener.accept()
    local stream = listener:accept()
    return stream and like_tcp(stream)
  end
  return server
end

-- ---------------------------------------------------------------- what a process holds

local on_windows = testing.process.handles and testing.process -- knows what /proc does elsewhere

local function look_at_descriptors()
  if on_windows then return on_windows.handles() end
  local found = {}
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if name:match "^%d" and target and not target:match "^/proc/%d+/fd$" then
      found[name] = target
    end
  end
  return found
end

--- The descriptors of this process and where they lead to, once what is garbage holds none.
---@return table<string, string>
function network.descriptors()
  local found = look_at_descriptors()
  local lost
  repeat
    local before = found
    network.collect()
    found = look_at_descriptors()
    lost = network.added(found, before)
  until #lost == 0
  return found
end

--- What is in `after` and not in `before`.
---@return string[] names in rising order
function network.added(before, after)
  local names = {}
  for name, target in pairs(after) do
    if before[name] ~= target then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(a, b)
    return tonumber(a) < tonumber(b)
  end)
  return names
end

local FLAGS = { nonblocking = 2048, close_on_exec = 524288 } -- O_NONBLOCK, O_CLOEXEC of Linux

--- Is a descriptor in non-blocking mode, and is it closed when another program is run?
---@param name string|integer
---@return {nonblocking: boolean, close_on_exec: boolean}
function network.flags(name)
  local flags = {}
  for line in io.lines("/proc/self/fdinfo/" .. name) do
    local number = tonumber(line:match "^flags:%s*(%d+)" or "", 8)
    for flag, bit in pairs(number and FLAGS or {}) do
      flags[flag] = math.floor(number / bit) % 2 == 1
    end
  end
  return flags
end

--- The sockets of this process that it did not have before.
---@param before table<string, string> of `descriptors`
---@return integer[] in rising order
function network.sockets_since(before)
  local found, after = {}, network.descriptors()
  for _, name in ipairs(network.added(before, after)) do
    found[#found + 1] = after[name]:match "^socket:" and tonumber(name) or nil
  end
  return found
end

---@return integer count
function network.threads()
  if on_windows then return on_windows.threads() end
  local count = 0
  for name in lfs.dir "/proc/self/task" do
    count = count + (name:match "^%d" and 1 or 0)
  end
  return count
end

--- Waits until only so many threads are left.
---@param count? integer default 1
function network.wait_for_threads(count)
  network.wait(function()
    return network.threads() <= (count or 1)
  end, "the end of a thread")
end

--- Is the descriptor readable now?
---@param fd integer
---@return boolean
function network.is_readable(fd)
  return testing.net.watch.look(fd, "r") ~= ""
end

-- ---------------------------------------------------------------- the module on counted memory

network.counted = require "support.counted"
network.collect = require "support.collect"

-- ---------------------------------------------------------------- processes of their own

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

-- Modules as here; sanitizers must not look for leaks in a process that strace holds.
local function environment()
  return ("env -u LUA_PATH_5_2 -u LUA_PATH_5_3 -u LUA_PATH_5_4 -u LUA_CPATH_5_2 -u LUA_CPATH_5_3"
    .. " -u LUA_CPATH_5_4 LUA_PATH=%s LUA_CPATH=%s ASAN_OPTIONS=detect_leaks=0 "):format(
    quote(package.path), quote(package.cpath))
end

---@class network.Run
---@field ok boolean did it exit with 0?
---@field output string
---@field traces string[] what strace wrote, a text for each thread; the first is the main thread's

local function run(program, code)
  local script, output = os.tmpname(), os.tmpname()
  local file = assert(io.open(script, "wb"))
  file:write(code)
  file:close()
  local status = os.execute(("timeout -s KILL %d %s %s >%s 2>&1 </dev/null"):format(
    15 * network.patience, program, quote(script), quote(output)))
  local result = { ok = status == true or status == 0, output = sources.read(output) }
  os.remove(script)
  os.remove(output)
  return result
end

--- Runs a Lua text in an interpreter of its own, to its end.
---@param code string
---@param variables? string of its environment, "NAME=value …"
---@return network.Run
function network.run(code, variables)
  local program = quote(command.interpreter())
  return run(environment() .. (variables or "") .. " " .. program, code)
end

local may_trace

local function check_strace()
  if may_trace == nil then
    local probe = io.popen "strace -o /dev/null true 2>&1; echo status $?"
    local said = probe:read "*a"
    probe:close()
    may_trace = said:match "status 0%s*$" and true or said
  end
  assert(may_trace == true, "this spec watches system calls, and strace cannot do that here; is it "
    .. "installed, and ptrace permitted?  It said: " .. tostring(may_trace))
end

local function read_traces(folder)
  local traces, names = {}, {}
  for name in lfs.dir(folder) do
    if name:match "^t" then
      names[#names + 1] = name
    end
  end
  -- process ids rise, unless they wrap around: the main thread is the one that ran the program
  table.sort(names)
  for _, name in ipairs(names) do
    local text = sources.read(folder .. "/" .. name)
    os.remove(folder .. "/" .. name)
    table.insert(traces, text:match "^execve" and 1 or #traces + 1, text)
  end
  lfs.rmdir(folder)
  return traces
end

--- The same under strace.
---@param code string
---@param options? string of strace
---@return network.Run
function network.trace(code, options)
  check_strace()
  local folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  local strace = ("strace -ff -qq -e signal=none %s -o %s/t %s"):format(
    options or "", quote(folder), quote(command.interpreter()))
  -- LuaJIT unwinds with libgcc, which asks the kernel for something the first time.
  local result = run(environment() .. strace, "pcall(error) " .. code)
  result.traces = read_traces(folder)
  return result
end

---@class network.Call
---@field name string
---@field arguments string
---@field result string
---@field line string

--- The system calls between each two marks that a script writes, those of memory left out.
---@param trace string
---@param from string
---@param to string
---@return network.Call[][]
function network.rounds(trace, from, to)
  local rounds, inside = {}, false
  for _, call in ipairs(network.calls(trace)) do
    local mark = call.name == "write" and call.arguments:match '"(.-)"'
    if mark == from then
      rounds[#rounds + 1] = {}
      inside = true
    elseif mark == to then
      inside = false
    elseif inside and not network.of_memory[call.name] then
      table.insert(rounds[#rounds], call)
    end
  end
  return rounds
end

--- Calls that are the allocator's business, a sanitizer's or LuaJIT's.
network.of_memory = {
  brk = true, mmap = true, munmap = true, mremap = true, madvise = true, mprotect = true,
}

--- The system calls in one thread's trace, in order.
---@param trace string
---@return network.Call[]
function network.calls(trace)
  local calls = {}
  for line in trace:gmatch "[^\n]+" do
    local name, rest = line:match "^([%l_][%w_]*)%((.*)$"
    if name then
      local arguments, result = rest:match "^(.*)%)%s+= (.*)$"
      calls[#calls + 1] =
        { name = name, arguments = arguments or rest, result = result or "", line = line }
    end
  end
  return calls
end

--- Did the kernel answer such a call with this error?
---@param trace string
---@param name string "sendto"
---@param number string "EPIPE"
---@return boolean
function network.has_failed(trace, name, number)
  for _, call in ipairs(network.calls(trace)) do
    if call.name == name and call.result:match("^%-1 " .. number) then
      return true
    end
  end
  return false
end

return network
