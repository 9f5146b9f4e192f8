--- Clients in LÖVE: all of them by one call a frame, each within its budget.
--
--     local wsclose = require "wsclose.love"
--     local ws = wsclose.new("wss://play.example/room", { retry = true, on_message = handle })
--     function love.update() wsclose.update() end
--
-- What waits (receive, messages, run, connect) waits in a coroutine, over as many frames as it
-- takes.  When the game ends or restarts, open connections say 1001.

local client = require "wsclose.client"
local hosted = require "wsclose.hosted"

local Client = client.Client

-- All clients that are not closed for good, the one whose turn is first in front.
local clients = {}
local waiters = {} -- coroutines of each

local function adopt(ws)
  clients[#clients + 1], waiters[ws] = ws, waiters[ws] or {}
end

-- One that was closed may live again.
local function wake(ws)
  if not waiters[ws] then adopt(ws) end
end

local function wait(ws)
  local thread = hosted.running "wsclose.love"
  wake(ws)
  table.insert(waiters[ws], thread)
  coroutine.yield()
end

local module = hosted.module { wait = wait, wake = wake, adopt = adopt, any_client = true }

-- What one update gives at most, unless the program says otherwise: a frame has 16 ms.
local BUDGET = { max_messages = 1000, max_time = 0.001 }

local new = module.new

--- As wsclose.new, with a default for max_messages and max_time.
function module.new(url, options, level)
  local all = options -- what is no table raises
  if options == nil or type(options) == "table" then
    all = {}
    for name, value in pairs(BUDGET) do all[name] = value end
    for name, value in pairs(options or {}) do all[name] = value end
  end
  local ws, sentence, name = new(url, all, (level or 2) + 1)
  return ws, sentence, name
end

local function resume_waiters(ws)
  local list, fault = waiters[ws], nil
  waiters[ws] = {}
  for _, thread in ipairs(list) do
    local failure = hosted.failure_of(thread)
    fault = fault or failure
  end
  if fault then error(fault, 0) end
end

local function is_over(ws)
  return ws:state() == "closed" and not ws:timeout() and #waiters[ws] == 0
end

--- To be called once a frame; never waits.  An error in a callback comes out here; the rest has its
-- turn with the next frame.
---@return boolean alive is there a client that is not closed for good?
function module.update()
  for _ = 1, #clients do
    local ws = table.remove(clients, 1)
    if is_over(ws) then
      waiters[ws] = nil
    else
      clients[#clients + 1] = ws -- behind the others, so that one with errors starves none
      if #waiters[ws] > 0 then resume_waiters(ws) else ws:update() end
    end
  end
  return #clients > 0
end

--- Says 1001 on all open connections and ends them at once.  Not needed when the game quits or
-- restarts; needed before os.exit.
function module.leave()
  local all = clients
  clients = {}
  for _, ws in ipairs(all) do
    waiters[ws] = nil
    Client.leave(ws)
  end
end

return module
