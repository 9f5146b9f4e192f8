--- Clients in cqueues: receive, messages, run and connect yield to the controller.
--
--     local wsclose = require "wsclose.cqueues"
--     cq:wrap(function()
--       local ws = assert(wsclose.connect("wss://feed.example/v1", { retry = true }))
--       for data in ws:messages() do print(data) end
--     end)
--
-- A client is pollable: cqueues.poll(ws, …) waits for it and other things.  Other coroutines may
-- send and close meanwhile.

local hosted = require "wsclose.hosted"
local cqueues = hosted.need("wsclose.cqueues", "cqueues", "programs on cqueues")
local condition = require "cqueues.condition"

-- What wakes those who wait for a client when another coroutine moved its deadline.
local moved = setmetatable({}, { __mode = "k" })

local function wait(ws, seconds)
  cqueues.poll(ws, moved[ws], seconds < math.huge and seconds or nil)
end

local function wake(ws)
  moved[ws]:signal()
end

local function adopt(ws)
  moved[ws] = condition.new()
end

return hosted.module { wait = wait, wake = wake, adopt = adopt }
