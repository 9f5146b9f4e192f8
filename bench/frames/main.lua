--- In LÖVE: wsclose.love at 60 frames a second.
local love = love -- luacheck: globals love
local ffi = require "ffi"
local meter = require "meter"
local wsclose = require "wsclose.love"

ffi.cdef [[
  struct timespec { long tv_sec, tv_nsec; };
  int clock_gettime(int, struct timespec *);
]]
local CLOCK_THREAD_CPUTIME_ID = 3
local time = ffi.new "struct timespec"

local function cpu_time()
  ffi.C.clock_gettime(CLOCK_THREAD_CPUTIME_ID, time)
  return tonumber(time.tv_sec) + tonumber(time.tv_nsec) / 1e9
end

local ws = assert(wsclose.new(os.getenv "WSCLOSE_URL", {
  retry = { first = false, initial = 0.2, max = 0.2 },
  tls = { ca = os.getenv "WSCLOSE_CA_PEM" },
  max_messages = 300, max_time = 0.0003,
}))

local frame = meter("love", ws, cpu_time, wsclose.update)

function love.update()
  if frame() then
    print "END"
    io.stdout:flush()
    love.event.quit()
  end
  love.timer.sleep(1 / 60)
end
