--- What happens to a client, one line an event: the option log, and WSCLOSE_LOG in the environment.
--
-- Lines are told as notices are (attempt.lua), so that a function that raises, or calls the client,
-- does no harm.  They hold no secret: no header, no payload, no password, no value of a query.

local checks = require "wsclose.checks"
local close_info = require "wsclose.close_info"

local log = {}

---@alias wsclose.LogLevel "error"|"info"|"debug"|"frames"
---@alias wsclose.LogFunction fun(level: wsclose.LogLevel, sentence: string, ws: wsclose.Client)

---@class wsclose.Log
---@field depth integer events of a higher level are not told
---@field write wsclose.LogFunction

local DEPTHS = { error = 1, info = 2, debug = 3, frames = 4 }

-- ---------------------------------------------------------------- where lines go

local ngx = package.loaded.ngx

local write
if type(ngx) == "table" and ngx.log then
  local levels = { error = ngx.ERR, info = ngx.INFO, debug = ngx.DEBUG, frames = ngx.DEBUG }
  function write(level, sentence) ngx.log(levels[level], "wsclose: ", sentence) end
else
  function write(level, sentence)
    io.stderr:write(("%s wsclose %s: %s\n"):format(os.date "%Y-%m-%d %H:%M:%S", level, sentence))
  end
end

-- One each, so that clients that log alike share their settings.
local by_level = {}
for level, depth in pairs(DEPTHS) do by_level[level] = { depth = depth, write = write } end

-- A function is told of frames where there are any: it does not switch tracing on.
function log.read(path, value)
  if value == false then return nil end
  if checks.is_callable(value) then return { depth = DEPTHS.frames, write = value } end
  return by_level[value]
    or checks.fail(path, '"error", "info", "debug", "frames" or a function', value)
end

function log.wants_frames(reader)
  return reader ~= nil and reader == by_level.frames
end

do
  local level = os.getenv "WSCLOSE_LOG"
  log.environment = by_level[level]
  if level and level ~= "" and not log.environment then
    write("error", ("WSCLOSE_LOG: expected error, info, debug or frames, got %q"):format(level))
  end
end

-- What peers say may neither end the line nor steer a terminal.
local function say(ws, level, format, ...)
  local reader = ws._settings.log
  if DEPTHS[level] > reader.depth then return end
  local sentence = format:format(...):gsub("%c", "?"):gsub("\194[\128-\159]", "?")
  reader.write(level, sentence, ws)
end

-- ---------------------------------------------------------------- what is told

--- An attempt begins.
function log.begun(ws, attempt)
  say(ws, "debug", "attempt %d, to %s", attempt.number, close_info.shown_url(attempt.url))
end

--- The server points elsewhere, and the attempt goes there.
function log.followed(ws, url)
  say(ws, "debug", "redirected to %s", close_info.shown_url(url))
end

function log.opened(ws)
  say(ws, "info", "%s", tostring(ws:info()))
end

-- The end of a connection that nobody has to look at.
local IN_ORDER = { [1000] = true, [1001] = true, [1005] = true, [1012] = true }

--- An attempt has ended.
function log.ended(ws, info)
  local fine = not info.error and (info.by == "client" or IN_ORDER[info.code])
  say(ws, fine and "info" or "error", "%s", tostring(info))
  local policy = ws._settings.retry
  if policy and info.retry_in and policy.slowed then say(ws, "error", "%s", policy.slowed) end
end

function log.frame(ws, direction, frame)
  local parts = { ("%s %s, %.0f bytes"):format(direction, frame.name, frame.size) }
  if frame.rsv1 then parts[#parts + 1] = "compressed" end
  if not frame.fin then parts[#parts + 1] = "more follows" end
  if frame.name == "close" then
    local high, low = (frame.payload or ""):byte(1, 2)
    if low then parts[#parts + 1] = ('%d "%s"'):format(high * 256 + low, frame.payload:sub(3)) end
  end
  say(ws, "frames", "%s", table.concat(parts, ", "))
end

return log
