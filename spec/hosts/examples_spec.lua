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
    local file = os.tmpname()
    finally(function()
      os.remove(file)
      os.remove(file .. ".in")
    end)
    local config = assert(io.open(file .. ".in", "w"))
    -- where all that it listens for is WebSocket, mosquitto 2.0.11 gives up
    config:write "listener @PORT2@ 127.0.0.1\nlistener @PORT1@\nsocket_domain ipv4\n"
    config:write "protocol websockets\nallow_anonymous true\nuser root\n"
    config:close()
    local broker = process.start {
      "/usr/bin/python3", "spec/support/peers/ports.py", 2, file,
      "/usr/sbin/mosquitto", "-c", file,
    }
    local url = ("ws://127.0.0.1:%d/"):format(broker.port)
    local words = hosts.environment("lua5.4", url)
    for _, word in ipairs {
      "lua5.4", "-e", WITHOUT_SOCKET, "examples/mqtt.lua", url, "greetings", "hello, everybody",
    } do
      words[#words + 1] = word
    end
    words.portless = true
    local program = process.start(words)
    program:expect "^greetings%s+hello, everybody$"
    program:expect "closed by this client: 1000 NORMAL"
  end)

  it("love says a word, shows the answer and tells how it ended", function()
    local program, server = start("luajit", { "love", "examples/love" })
    program:expect "^> hello$"
    server:tell "close 1000 enough"
    program:expect 'closed by the peer: 1000 NORMAL "enough"'
  end)
end)
