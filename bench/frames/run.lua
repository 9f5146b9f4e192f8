--- The longest frame: LÖVE and the C engine connect over TLS, take 10,000 messages a second within
-- their budgets, and meet a 1001 every few seconds.
--
--     make bench-frames                  -- 60 seconds for each; SECONDS=10 for less
--
-- Prints for each host and for each thing it was doing the longest update, as CPU time of its
-- thread, and how many took more than a millisecond.

package.path = "./lua/?.lua;./lua/?/init.lua;./spec/?.lua;" .. package.path
package.cpath = "./build/lua5.4/?.so;" .. package.cpath

local certificates = require "support.certificates"
local hosts = require "support.hosts"
local process = require "support.process"
local socket = require "socket"

local SECONDS = tonumber(arg[1]) or 60
local RATE, BETWEEN_RESTARTS = 10000, 5

local function first_line(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local folder = first_line "pwd" .. "/bench/frames/"

local function engine()
  local words = "NAME=frames GAME=%sgame.lua MODULES=meter=%smeter.lua >/dev/null"
  assert(os.execute("make -s -C examples/engine " .. words:format(folder, folder)))
  return { "build/engine/lua5.4/frames" }, "lua5.4"
end

local function love()
  return { "love", folder }, "luajit"
end

local function measure(command, lua)
  local server = hosts.server()
  local url = ("wss://localhost:%d/?flood=%d"):format(server.port, RATE)
  local words = hosts.environment(lua, url)
  words[#words + 1] = "WSCLOSE_SECONDS=" .. SECONDS
  words[#words + 1] = "WSCLOSE_CA_PEM=" .. certificates.read(hosts.certificates().ca)
  for _, word in ipairs(command) do words[#words + 1] = word end
  words.portless = true
  local program = process.start(words)
  local restart_at = socket.gettime() + BETWEEN_RESTARTS
  local line, why
  repeat
    socket.sleep(0.02)
    if socket.gettime() >= restart_at then
      server:tell "restart the next round"
      restart_at = restart_at + BETWEEN_RESTARTS
    end
    line, why = program:look "^%u%u%u.*"
    if why == "closed" then error(command[1] .. " ended before its time", 0) end
    if line and line ~= "END" then print((line:gsub("^LONGEST ", ""))) end
  until line == "END"
  process.stop_all()
end

for _, host in ipairs { engine, love } do
  local ok, why = pcall(function() measure(host()) end)
  if not ok then print(why) end
end
hosts.stop()
