-- luv, and Neovim: the scenario, or what WSCLOSE_CASE names, until a line comes in.
local vim = vim -- luacheck: globals vim
local uv = vim and (vim.uv or vim.loop) or require "luv"
local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.luv"

local URL, options, say = program.url, program.options, program.say

local function spawn(f)
  local timer = uv.new_timer()
  timer:start(0, 0, function()
    timer:close()
    coroutine.wrap(f)()
  end)
end

local cases = {}

function cases.scenario()
  scenario(wsclose.new, say, {
    options = { on_ping = vim and function() vim.api.nvim_get_current_buf() end },
  })
end

function cases.straight()
  coroutine.wrap(program.straight)(wsclose, spawn)
  local ok, why = pcall(wsclose.connect, URL .. "?id=main", options {})
  say("MAIN " .. tostring(ok) .. " " .. why)
end

function cases.blind()
  program.take_descriptors()
  cases.straight()
end

function cases.pieces()
  coroutine.wrap(program.pieces)(wsclose)
end

function cases.wake()
  coroutine.wrap(program.wake)(wsclose, spawn)
end

function cases.timers()
  coroutine.wrap(program.timers)(wsclose, spawn)
  program.timer_alone(wsclose.new)
end

function cases.many()
  local count, opened, echoed, closed = 500, 0, 0, 0
  local clients = {}
  for i = 1, count do
    clients[i] = wsclose.new(URL .. "?id=" .. i, options {
      timeouts = { connect = 60, tls = 60, handshake = 60 },
      on_open = function()
        opened = opened + 1
        if opened < count then return end
        say "ALL OPEN"
        for j, ws in ipairs(clients) do ws:send("to " .. j) end
      end,
      on_message = function(ws, data)
        assert(data == "to " .. i)
        echoed = echoed + 1
        ws:close(1000)
        if echoed == count then say "ALL ECHOED" end
      end,
      on_close = function(_, code)
        assert(code == 1000)
        closed = closed + 1
        if closed == count then say "ALL CLOSED" end
      end,
    })
  end
end

local function finish()
  if vim then
    vim.schedule(function() vim.cmd "qa!" end)
  else
    uv.stop()
  end
end

local stdin = uv.new_pipe(false)
stdin:open(0)
stdin:read_start(function(_, data)
  if not data or data:find "end" then finish() end
end)
cases[program.case]()
if not vim then uv.run() end
