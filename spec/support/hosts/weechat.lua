-- WeeChat: the scenario, or what WSCLOSE_CASE names, until a line comes in: that is a command.
local weechat = weechat -- luacheck: globals weechat
weechat.register("spec", "wsclose", "1.0", "MIT", "the scenario", "", "")

-- io.stdout is WeeChat's own here, and goes to a buffer.
local out = assert(io.open("/dev/stdout", "w"))
out:setvbuf "line"
out:write "\n" -- behind what WeeChat tells the terminal
local function say(line) out:write(line, "\n") end

local program = require "support.hosts.program"
local scenario = require "support.hosts.scenario"
local wsclose = require "wsclose"

local clients, timer = {}, nil

-- luacheck: globals turn command
function turn()
  if timer then weechat.unhook(timer) end
  local seconds = math.huge
  for _, ws in ipairs(clients) do
    local ok, fault = pcall(ws.update, ws)
    if not ok then say(fault) end
    seconds = math.min(seconds, ws:timeout() or math.huge)
  end
  timer = seconds < math.huge
    and weechat.hook_timer(math.ceil(seconds * 1000 + 1), 0, 1, "turn", "")
  return weechat.WEECHAT_RC_OK
end

function command()
  weechat.command("", io.read())
  return weechat.WEECHAT_RC_OK
end

local function new(url, options)
  local ws = assert(wsclose.new(url, options))
  clients[#clients + 1] = ws
  weechat.hook_fd(ws:pollfd(), 1, 0, 0, "turn", "")
  return ws
end

local cases = {}

function cases.scenario()
  scenario(new, say)
end

function cases.timers()
  program.say = say
  program.timer_alone(new)
end

-- An error in a callback is printed, and the client goes on.
function cases.errors()
  local count = 0
  new(program.url .. "?id=errors", program.options {
    on_open = function(ws)
      for i = 1, 3 do ws:send("message " .. i) end
    end,
    on_message = function(ws, data)
      count = count + 1
      say(("%d %s"):format(count, data))
      if count == 2 then error("of the handler", 0) end
      if count == 3 then ws:close(1000, "done") end
    end,
    on_close = function(_, code) say("CLOSE " .. code) end,
  })
end

weechat.hook_fd(0, 1, 0, 0, "command", "")
cases[program.case]()
turn()
