--- What every host's suite does: a server behind TLS, and the dialogue of hosts/scenario.lua.
--
--     local host = hosts.start { "lua5.4", "spec/support/hosts/cqueues.lua" }
--     host:play_to "end"      -- the `promise`; or, where the host ends in another way:
--     host:play()             -- up to a client that stays open
--     host:went_away()        -- the server was told 1001
--
-- The program finds the URL in WSCLOSE_URL, the authority in WSCLOSE_CA and modules by LUA_PATH and
-- LUA_CPATH; it does with `scenario` what the spec expects, and prints it line by line.

local certificates = require "support.certificates"
local process = require "support.process"

local hosts = {}

local BUILD = os.getenv "WSCLOSE_BUILD" or "build"
local PATH = "./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;"

---@class support.Host
---@field server support.Process
---@field program support.Process
---@field url string wss://feed.example:PORT/
local Host = {}
Host.__index = Host

--- What `play` and `went_away` hold, as a title.
hosts.promise = "connects over TLS, echoes, comes back after 1001, names 1010 and closes; "
  .. "1001 when the host ends"

local made

--- The certificates of this suite; made once, taken away by `stop`.
---@return certificates.Made
function hosts.certificates()
  made = made or certificates.new()
  return made
end

--- A server behind TLS that we did not write.
---@return support.Process
function hosts.server()
  local good = hosts.certificates().good
  return process.start {
    "/usr/bin/python3", "spec/support/peers/websockets_server.py", "--tls", good.cert, good.key,
  }
end

--- The build for a Lua is there, or the message says how to make it.
local function need_build(lua)
  local file = io.open(("%s/%s/wsclose/core.so"):format(BUILD, lua))
  if not file then error(("this host needs `make LUA=%s` first"):format(lua), 0) end
  file:close()
end

--- Words that give a command its environment.
---@param lua string lua5.1 … or luajit
---@param url string
---@return string[]
function hosts.environment(lua, url)
  need_build(lua)
  return {
    "env", "-u", "LUA_PATH_5_2", "-u", "LUA_PATH_5_3", "-u", "LUA_PATH_5_4", "LUA_PATH=" .. PATH,
    ("LUA_CPATH=./%s/%s/?.so;;"):format(BUILD, lua), "WSCLOSE_URL=" .. url,
    "WSCLOSE_PORT=" .. url:match ":(%d+)", "WSCLOSE_CA=" .. hosts.certificates().ca,
  }
end

--- Starts the server and the host's program.
---@param lua string whose build the host loads
---@param command string[]
---@return support.Host
function hosts.start(lua, command)
  local server = hosts.server()
  local url = ("wss://feed.example:%d/"):format(server.port)
  local words = hosts.environment(lua, url)
  for _, word in ipairs(command) do words[#words + 1] = word end
  words.portless = true
  return setmetatable({ server = server, url = url, program = process.start(words) }, Host)
end

--- The dialogue; see hosts/scenario.lua.
function Host:play()
  local program, server = self.program, self.server
  program:expect "^OPEN 1$"
  program:expect "^ECHO one$"
  server:tell "restart back soon"
  program:expect "^CLOSE 1001 GOING_AWAY back soon by peer, clean, retried$"
  program:expect "^OPEN 2$"
  program:expect "^ECHO two$"
  program:expect "^MANDATORY 1010 permessage%-deflate never opened, not retried$"
  server:expect "^mandatory CLOSED 1010 permessage%-deflate$"
  program:expect "^CLOSE 1000 NORMAL done by client, clean, not retried$"
  server:expect "^feed CLOSED 1000 done$"
  program:expect "^STAYS$"
end

--- The whole of the promise, where a line on its standard input ends the host.
---@param ending string
function Host:play_to(ending)
  self:play()
  self.program:tell(ending)
  self:went_away()
end

--- The line of `pieces` in hosts/program.lua.
function Host:pieces()
  self.program:expect "^IN PIECES THEN nil closed 1000$"
end

--- The line of `wake` in hosts/program.lua.
function Host:wakes()
  self.program:expect "^STOPPED closed$"
end

--- The lines of `straight` in hosts/program.lua.
function Host:straight()
  self.program:expect "^100 MESSAGES$"
  self.program:expect "^THEN nil closed 1000$"
  self.program:expect "^CONNECT nil refused$"
end

--- The lines of `timers` in hosts/program.lua, and of `timer_alone`, which come in any order.
---@param alone? boolean
function Host:timers(alone)
  local expected = { "TIMERS own other 3 1000", "STOPPED closed", alone and "ALONE 3 1000" }
  local told = {}
  for i = 1, #expected do told[i] = self.program:expect "^%u+ .*[%d%l]$" end
  table.sort(expected)
  table.sort(told)
  assert(table.concat(told, "\n") == table.concat(expected, "\n"), table.concat(told, "\n"))
end

--- The client that stayed open said 1001.
function Host:went_away()
  self.server:expect "^last CLOSED 1001"
end

--- Ends everything.
function hosts.stop()
  process.stop_all()
  if made then made:remove() end
  made = nil
end

return hosts
