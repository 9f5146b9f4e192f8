-- luv, and Neovim: the scenario, or what the first argument (WSCLOSE_CASE) names.
local vim = vim -- luacheck: globals vim
local uv = vim and (vim.uv or vim.loop) or require "luv"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose.luv"

local URL, CA = os.getenv "WSCLOSE_URL", os.getenv "WSCLOSE_CA"

local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

local function options(more)
  more.resolve = { ["feed.example"] = "127.0.0.1" }
  more.tls = { ca_file = CA }
  return more
end

local cases = {}

function cases.scenario()
  scenario(wsclose.new, say, {
    options = { on_ping = vim and function() vim.api.nvim_get_current_buf() end },
  })
end

-- Straight down in coroutines, one sending while the other receives.
function cases.coroutines()
  local function session()
    local ws = assert(wsclose.connect(URL .. "?id=straight", options { retry = true }))
    assert(select(2, ws:receive(0.01)) == "timeout")
    coroutine.wrap(function()
      for i = 1, 100 do ws:send("message " .. i) end
    end)()
    for i = 1, 100 do assert(ws:receive() == "message " .. i) end
    say "100 MESSAGES"
    ws:close(1000, "done")
    assert(ws:run() == 1000)
    local none, why, code = ws:receive()
    say(("THEN %s %s %d"):format(tostring(none), why, code))
    local refused, _, name = wsclose.connect("ws://127.0.0.1:1/")
    say(("CONNECT %s %s"):format(tostring(refused), name))
  end
  coroutine.wrap(session)()
  local ok, why = pcall(wsclose.connect, URL .. "?id=main", options {})
  say("MAIN " .. tostring(ok) .. " " .. why)
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
cases[os.getenv "WSCLOSE_CASE" or "scenario"]()
if not vim then uv.run() end
