--- Clients on libuv's loop, by luv or in Neovim (vim.uv, vim.loop).
--
--     local wsclose = require "wsclose.luv"
--     wsclose.new("wss://feed.example/v1", { retry = true, on_message = print })  -- runs by itself
--
--     coroutine.wrap(function()                          -- or straight down, in a coroutine
--       local ws = assert(wsclose.connect("wss://feed.example/v1"))
--       for data in ws:messages() do print(data) end
--     end)()
--     uv.run()                                           -- not in Neovim, which runs its loop
--
-- In Neovim callbacks and coroutines run where all of vim's functions may be called, and clients
-- still open when it exits say 1001.

local vim = vim -- luacheck: globals vim
local hosted = require "wsclose.hosted"
local uv = vim and (vim.uv or vim.loop) or hosted.need("wsclose.luv", "luv", "libuv's loop")

-- What a loop has for a client: where it is watched, and the coroutines that wait for it.
---@class wsclose.luv.Seat
---@field poll? userdata
---@field timer? userdata
---@field due? boolean work is scheduled
---@field waiters thread[]

-- Seconds between looks at a client where no descriptor tells of its work, as on Windows.
local LOOK = 0.01

-- Clients that the loop watches.
local seated = {}

local arm

-- An error, in a callback or in a coroutine, comes out here; the client goes on all the same.
local function work(ws, seat)
  seat.due = nil
  local waiters, fault = seat.waiters, nil
  if #waiters == 0 then
    fault = select(2, pcall(ws.update, ws))
    if fault == true or fault == false then fault = nil end
  end
  seat.waiters = {}
  for _, waiter in ipairs(waiters) do fault = hosted.failure_of(waiter) or fault end
  arm(ws)
  if fault then error(fault, 0) end
end

-- Neovim's own functions may not be called while libuv calls back.
local schedule = vim and vim.schedule or function(run) run() end

local function on_ready(ws, seat)
  if seat.due then return end
  seat.due = true
  if vim and seat.poll then seat.poll:stop() end
  schedule(function() work(ws, seat) end)
end

local function vacate(ws, seat)
  local poll, timer = seat.poll, seat.timer
  seat.poll, seat.timer, seat.ready, seated[ws] = nil, nil, nil, nil
  if poll then poll:close() end
  if timer then timer:close() end
end

local function occupy(ws, seat)
  if seat.timer then return end
  local fd = ws:pollfd()
  seat.poll, seat.timer = fd and assert(uv.new_poll(fd)), assert(uv.new_timer())
  seat.ready = function() on_ready(ws, seat) end
  seated[ws] = true
end

-- Has the loop look when there is something to do.
function arm(ws)
  local seat, seconds, closed = ws._seat, ws:timeout(), ws:state() == "closed"
  if closed and not seconds and #seat.waiters == 0 then
    vacate(ws, seat)
    return
  end
  occupy(ws, seat)
  if seat.due then return end
  if seat.poll then
    seat.poll:start("r", seat.ready)
  else
    seconds = math.min(seconds or LOOK, LOOK)
  end
  if closed then seconds = 0 end -- those who wait are to be told
  if seconds then
    seat.timer:start(math.ceil(seconds * 1000), 0, seat.ready)
  else
    seat.timer:stop()
  end
end

local function forget(seat, thread)
  for i, waiter in ipairs(seat.waiters) do
    if waiter == thread then return table.remove(seat.waiters, i) end
  end
end

local function limit(seat, thread, seconds)
  local timer = uv.new_timer()
  timer:start(math.ceil(seconds * 1000), 0, function()
    schedule(function()
      local fault = forget(seat, thread) and hosted.failure_of(thread)
      if fault then error(fault, 0) end
    end)
  end)
  return timer
end

local function wait(ws, seconds)
  local seat, thread = ws._seat, hosted.running "wsclose.luv"
  seat.waiters[#seat.waiters + 1] = thread
  arm(ws)
  local timer = seconds < math.huge and limit(seat, thread, seconds)
  coroutine.yield()
  if timer then timer:close() end
  forget(seat, thread)
end

local function adopt(ws)
  ws._seat = { waiters = {} }
  arm(ws)
end

if vim then
  vim.api.nvim_create_autocmd("VimLeavePre", {
    desc = "wsclose says 1001 on open connections",
    callback = function()
      local open = {}
      for ws in pairs(seated) do open[#open + 1] = ws end
      for _, ws in ipairs(open) do ws:leave() end
    end,
  })
end

return hosted.module { wait = wait, wake = arm, adopt = adopt }
