--- Clients in copas: receive, messages, run and connect let other threads of copas run.
--
--     local wsclose = require "wsclose.copas"
--     copas.addthread(function()
--       local ws = assert(wsclose.connect("wss://feed.example/v1", { retry = true }))
--       for data in ws:messages() do print(data) end
--     end)
--     wsclose.loop()                      -- as copas.loop, with an eye on the clients' deadlines
--
-- copas 1.x knows no timers: who runs copas.loop(seconds) instead keeps deadlines to within that.

local core = require "wsclose.core"
local hosted = require "wsclose.hosted"
local copas = hosted.need("wsclose.copas", "copas", "programs on copas")

local FOREVER = math.huge

-- Waits that copas has under way, each in the shape of a socket that select and copas.receive take.
---@class wsclose.copas.Wait
---@field ws wsclose.Client
---@field due number
---@field looked boolean copas has had its first look, which finds nothing
local Wait = {}
Wait.__index = Wait

local waits = {}

function Wait:getfd()
  return self.ws:pollfd()
end

-- Seconds until it is over though nothing comes in.
function Wait:left()
  if self.ws:state() == "closed" then return 0 end
  return math.min(self.ws:timeout() or FOREVER, math.max(0, self.due - core.now()))
end

-- LuaSocket's word for "do not wait for this one".
function Wait:dirty()
  return self:left() <= 0
end

function Wait:receive()
  if not self.looked then
    self.looked = true
    return nil, "timeout"
  end
  return "ready"
end

function Wait.settimeout() end

-- copas closes what a thread waited for last.
function Wait.close() end

local function wait(ws, seconds)
  local one = setmetatable({ ws = ws, due = core.now() + seconds }, Wait)
  waits[one] = true
  copas.receive(one)
  waits[one] = nil
end

-- Each step asks for the deadlines anew.
local function wake() end

local module = hosted.module { wait = wait, wake = wake }

--- One step of copas, no longer than a client can wait.
---@param seconds? number at most
function module.step(seconds)
  local shortest = seconds or FOREVER
  for one in pairs(waits) do shortest = math.min(shortest, one:left()) end
  return copas.step(shortest < FOREVER and shortest or nil)
end

--- Runs copas for ever, or until `done` returns true after a step.
---@param done? fun(): boolean
function module.loop(done)
  repeat
    module.step()
  until done and done()
end

return module
