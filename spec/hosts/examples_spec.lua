-- The programs of examples/ for hosts that have no suite of their own there, run as they stand.
-- They do without LuaSocket; copas alone brings it.

local hosts = require "support.hosts"
local process = require "support.process"

local WITHOUT_SOCKET = [[package.preload.socket = function() error "it takes LuaSocket" end]]

local function start(lua, command)
  local server = process.start { "/usr/bin/python3", "spec/support/peers/websockets_server.py" }
  local url = ("ws://127.0.0.1:%d/?id=example"):format(server.port)
  local words = hosts.environment(lua, url)
  words[#words + 1] = "WSCLOSE_FEED=" .. url
  words[#words + 1] = "WSCLOSE_HEADLESS=1"
  for _, word in ipairs(command) do words[#words + 1] = word end
  words.portless = true
  return process.start(words), server
end

-- Its print does not write to standard output.
local PRINT = [[io.stdout:setvbuf "line" function print(...) ]]
  .. [[io.stdout:write(table.concat(vim.tbl_map(tostring, { ... }), " ") .. "\n") end]]

local function neovim(path)
  return {
    "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "lua " .. WITHOUT_SOCKET,
    "-c", "lua " .. PRINT, "-c", "luafile " .. path,
  }
end

-- RabbitMQ in one process of its own folder.  Without epmd, which would outlive it: its second port
-- is where other nodes would look for this one.
local RABBITMQ = [[
cd "${0%/*}"
echo '[rabbitmq_web_stomp].' >plugins
cat >rabbitmq.conf <<END
listeners.tcp = none
stomp.listeners.tcp = none
web_stomp.tcp.ip = 127.0.0.1
web_stomp.tcp.port = @PORT1@
END
export HOME="$PWD" RABBITMQ_MNESIA_BASE="$PWD" RABBITMQ_LOGS=- RABBITMQ_NODENAME=wsclose@localhost
export RABBITMQ_CONFIG_FILE="$PWD/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_ENABLED_PLUGINS_FILE="$PWD/plugins" ERL_CRASH_DUMP_SECONDS=0
export ERL_FLAGS="-start_epmd false -erl_epmd_port @PORT2@"
# with "input" it takes the shell's place, and none is read
export RABBITMQ_ALLOW_INPUT=1 RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput \
  -sname $RABBITMQ_NODENAME -kernel inet_dist_use_interface {127,0,0,1}"
exec /usr/lib/rabbitmq/bin/rabbitmq-server
]]

-- A broker with a folder of its own, whose configuration names two ports.
local function start_broker(command, config)
  local folder = os.tmpname()
  os.remove(folder)
  assert(process.run { "mkdir", folder })
  local file = assert(io.open(folder .. "/config.in", "w"))
  file:write(config)
  file:close()
  local words = {
    "/usr/bin/python3", "spec/support/peers/ports.py", 2, folder .. "/config",
  }
  for _, word in ipairs(command) do words[#words + 1] = word end
  words[#words + 1] = folder .. "/config"
  local patience = process.patience
  process.patience = 3 * patience -- a broker's start may be much work
  finally(function()
    process.patience = patience
    process.stop_all()
    process.run { "rm", "-rf", folder }
  end)
  return process.start(words)
end

-- The example sends to a topic what it then receives, and ends as expected.
local function greet(lua, example, url, topic, ended)
  local words = hosts.environment(lua, url)
  for _, word in ipairs { lua, "-e", WITHOUT_SOCKET, example, url, topic, "hello, everybody" } do
    words[#words + 1] = word
  end
  words.portless = true
  local program = process.start(words)
  program:expect("^" .. topic .. "%s+hello, everybody$")
  program:expect(ended)
end

describe("the example", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("cqueues_feed.lua receives and sends at once", function()
    local program = start("lua5.4", {
      "lua5.4", "-e", WITHOUT_SOCKET, "examples/cqueues_feed.lua",
    })
    for i = 1, 3 do program:expect("^received%s+message " .. i .. "$") end
    program:expect "closed by this client: 1000 NORMAL"
  end)

  it("copas_feed.lua receives and sends at once", function()
    local program = start("lua5.1", { "lua5.1", "examples/copas_feed.lua" })
    for i = 1, 3 do program:expect("^received%s+message " .. i .. "$") end
    program:expect "closed by this client: 1000 NORMAL"
  end)

  for name, case in pairs {
    luv = { "lua5.4", { "lua5.4", "-e", WITHOUT_SOCKET, "examples/luv_feed.lua" } },
    Neovim = { "luajit", neovim "examples/luv_feed.lua" },
  } do
    it("luv_feed.lua has a client of callbacks and one in a coroutine, in " .. name, function()
      local program = start(case[1], case[2])
      local missing = {
        ["^callback%s+hello from a callback$"] = true, ["^coroutine%s+message 3$"] = true,
        ["^coroutine%s+1000"] = true,
      }
      while next(missing) do
        local line = program:expect "^c.*"
        for pattern in pairs(missing) do
          if line:find(pattern) then missing[pattern] = nil end
        end
      end
    end)
  end

  it("mqtt.lua subscribes, publishes and ends with Close, at mosquitto", function()
    -- where all that it listens for is WebSocket, mosquitto 2.0.11 gives up
    local broker = start_broker({ "/usr/sbin/mosquitto", "-c" }, [[
listener @PORT2@ 127.0.0.1
listener @PORT1@
socket_domain ipv4
protocol websockets
allow_anonymous true
user root
]])
    local url = ("ws://127.0.0.1:%d/"):format(broker.port)
    greet("lua5.4", "examples/mqtt.lua", url, "greetings", "closed by this client: 1000 NORMAL")
  end)

  it("stomp.lua subscribes, sends and ends with Close, at RabbitMQ", function()
    local broker = start_broker({ "sh" }, RABBITMQ)
    local url = ("ws://127.0.0.1:%d/ws"):format(broker.port)
    for _, lua in ipairs { "lua5.4", "luajit" } do
      greet(lua, "examples/stomp.lua", url, "/topic/greetings",
        'closed by the peer: 1000 NORMAL "STOMP died"') -- its answer to DISCONNECT
    end
  end)

  it("love says a word, shows the answer and tells how it ended", function()
    local program, server = start("luajit", { "love", "examples/love" })
    program:expect "^> hello$"
    server:tell "close 1000 enough"
    program:expect 'closed by the peer: 1000 NORMAL "enough"'
  end)
end)
