--- A client whose callbacks write down all that happens, for specs to look at afterwards.
--
--     local r = recorder.new(url, { retry = true }, server)  -- server: a scripted one, or none
--     r:wait_open()
--     r.ws:send "hello"
--     local message = r:wait_message()      -- { data = …, kind = … }
--     local close = r:wait_close()          -- { code = …, reason = …, info = … }

local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local recorder = {}

---@class support.Recorder
---@field ws table the client
---@field opens table[] the info of each on_open
---@field messages {data: string, kind: string}[]
---@field pings string[]
---@field pongs {data: string, rtt: number?}[]
---@field frames {direction: string, frame: table}[]
---@field closes {code: integer, reason: string, info: table}[]
---@field retries {delay: number, info: table}[]
local Recorder = {}
Recorder.__index = Recorder

local function add(list, entry)
  list[#list + 1] = entry
end

local function callbacks(self)
  return {
    on_open = function(_, info)
      add(self.opens, info or {})
    end,
    on_message = function(_, data, kind)
      add(self.messages, { data = data, kind = kind })
    end,
    on_ping = function(_, data)
      add(self.pings, data)
    end,
    on_pong = function(_, data, rtt)
      add(self.pongs, { data = data, rtt = rtt })
    end,
    on_close = function(_, code, reason, info)
      add(self.closes, { code = code, reason = reason, info = info })
    end,
    on_retry = function(_, delay, info)
      add(self.retries, { delay = delay, info = info })
    end,
  }
end

--- A client that has not been updated yet.  Options are those of wsclose.new; `on_frame = true`
--- records frames.
---@param url string
---@param options? table
---@param server? scripted.Server that is to be stepped with it
---@return support.Recorder
function recorder.new(url, options, server)
  local self = setmetatable({
    server = server,
    opens = {},
    messages = {},
    pings = {},
    pongs = {},
    frames = {},
    closes = {},
    retries = {},
    taken = 0, -- messages that wait_message has given
  }, Recorder)
  local all = callbacks(self)
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  if all.on_frame == true then
    all.on_frame = function(_, direction, frame)
      add(self.frames, { direction = direction, frame = frame })
    end
  end
  self.ws = assert(wsclose.new(url, all))
  return self
end

---@param happened fun(): any
---@param what? string
function Recorder:wait(happened, what)
  return scripted.pump(self.ws, self.server, happened, what)
end

--- Waits for the n-th on_open.
---@param count? integer default 1
---@return table info
function Recorder:wait_open(count)
  return self:wait(function()
    if not self.opens[count or 1] and self.closes[count or 1] then
      error("closed instead of opened: " .. tostring(self.closes[count or 1].info), 0)
    end
    return self.opens[count or 1]
  end, "on_open")
end

--- Waits for the next message that was not waited for yet.
---@return {data: string, kind: string}
function Recorder:wait_message()
  self.taken = self.taken + 1
  return self:wait(function()
    if not self.messages[self.taken] and self.ws:state() == "closed" then
      error("closed before the message: " .. tostring(self.closes[#self.closes].info), 0)
    end
    return self.messages[self.taken]
  end, "on_message")
end

--- Waits for the first message.
---@return integer bytes the most that one update read meanwhile
function Recorder:largest_read(count)
  local before, largest = self.ws:stats().bytes_in, 0
  self:wait(function()
    local bytes_in = self.ws:stats().bytes_in
    largest, before = math.max(largest, bytes_in - before), bytes_in
    return self.messages[count or 1]
  end, "on_message")
  return largest
end

--- Waits for the n-th on_close.
---@param count? integer default 1
---@return {code: integer, reason: string, info: table}
function Recorder:wait_close(count)
  return self:wait(function()
    return self.closes[count or 1]
  end, "on_close")
end

return recorder
