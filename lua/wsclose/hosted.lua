--- What the files for event loops have in common: a client whose calls that wait (receive,
-- messages, run, connect) let the loop run meanwhile, and whose calls that move a deadline tell it.
-- A program with another scheduler makes its own; see docs/hosts/poll.md.

local attempt = require "wsclose.attempt"
local client = require "wsclose.client"
local inbox = require "wsclose.inbox"
local options = require "wsclose.options"
local wsclose = require "wsclose"

local Client, due_in = client.Client, client.due_in

local now = attempt.now

local FOREVER = math.huge

-- PUC Lua 5.1's generic for calls its iterator through C, where nothing can yield.
local for_yields = coroutine.resume(coroutine.create(function()
  for _ in coroutine.yield do end
end))

local hosted = {}

---@class wsclose.Host
---@field wait fun(ws: wsclose.Client, seconds: number) gives way to the loop until the client has
---  work; at most `seconds`, which may be math.huge; too early does no harm
---@field wake fun(ws: wsclose.Client) the client's deadline has moved, or it has work
---@field adopt? fun(ws: wsclose.Client) a new client
---@field any_client? boolean needs no descriptor: clients of wsclose.testing will do

--- The host's own module; where there is none, an error says where the adapter belongs.
---@param adapter string "wsclose.copas"
---@param name string of the module
---@param where string
---@return table
function hosted.need(adapter, name, where)
  local ok, module = pcall(require, name)
  if ok then return module end
  local missing = ("module '%s' not found"):format(name)
  if not tostring(module):find(missing, 1, true) then error(module, 0) end
  error(("%s is for %s: there is no module %s here; without it take require \"wsclose\""):format(
    adapter, where, name), 0)
end

--- The coroutine that is about to wait; an error where there is none.
---@param adapter string
---@return thread
function hosted.running(adapter)
  local thread, is_main = coroutine.running()
  if thread and not is_main then return thread end
  error(adapter .. ": what waits has to run in a coroutine; or use callbacks", 0)
end

--- Goes on with a coroutine that waits; gives the error that ended it, if one did.
---@param thread thread
---@return string?
function hosted.failure_of(thread)
  local ok, fault = coroutine.resume(thread)
  if not ok then return debug.traceback(thread, tostring(fault)) end
end

-- After these there is work, or another deadline; sends leave by themselves.
local MOVING = {
  "close", "reconnect", "kick", "pause", "resume", "ping", "leave", "after", "every",
}

local function waiting_methods(host)
  local methods = {}

  for _, method in ipairs { "receive", "receive_piece" } do
    local plain = Client[method]
    methods[method] = function(self, seconds)
      local due = due_in(self, seconds)
      while true do
        local data, kind, name, code = plain(self, 0)
        local left = due - now(self)
        if name ~= "timeout" or left <= 0 then return inbox.as_many(data, kind, name, code) end
        host.wait(self, left)
      end
    end
  end

  if not for_yields then
    function methods.messages()
      error("ws:messages() waits in a for, where Lua 5.1 cannot let the host run: "
        .. "call ws:receive() in a while loop, until it gives nil", 2)
    end
  end

  function methods.run(self, seconds)
    local due = due_in(self, seconds)
    while self:update() do
      local left = due - now(self)
      if left <= 0 then return nil, "timeout" end
      host.wait(self, left)
    end
    return self.close_code, self.close_reason, self.close_info
  end

  function methods.wait_open(self)
    while true do
      local alive = self:update()
      if self:state() == "open" then return true end
      -- opened and closed within one update: its messages wait for receive
      if not alive then return self.close_info.opened end
      host.wait(self, FOREVER)
    end
  end

  return methods
end

local function told(host, self, ...)
  host.wake(self)
  return ...
end

local function all_methods(host)
  local methods = waiting_methods(host)
  for _, name in ipairs(MOVING) do
    local plain = Client[name]
    methods[name] = function(self, ...)
      client.handle_of(self)
      return told(host, self, plain(self, ...))
    end
  end
  return methods
end

--- A module like wsclose itself, for one host: `new` and `connect` make clients that wait as the
-- host waits.
---@param host wsclose.Host
---@return table
function hosted.module(host)
  local methods = all_methods(host)
  local module = setmetatable({}, { __index = wsclose })

  --- As wsclose.new.  `level`, as error's, says whose call it is that a wrong argument is in.
  function module.new(url, given, level)
    level = level or 2
    local settings, callbacks = options.check_arguments(url, given, false, level + 1)
    local ws, sentence, name = client.new(url, settings, callbacks, given and given.headers)
    if not ws then return nil, sentence, name end
    local refusal = ws._handle.host.unhosted
    if refusal and not host.any_client then error(refusal, level) end
    for method, with_host in pairs(methods) do ws[method] = with_host end
    if host.adopt then host.adopt(ws) end
    return ws
  end

  --- As wsclose.connect: waits until open.
  function module.connect(url, given)
    return client.opened(module.new(url, given, 3))
  end

  return module
end

return hosted
