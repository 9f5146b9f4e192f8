--- Plays the rows of close_matrix.lua, and says in the words of docs/close-matrix.md what came of
--- each: what went out, what on_close was told, what follows.

local close_matrix = require "support.close_matrix"
local network = require "support.network"
local phases = require "support.phases"
local scripted = require "support.scripted_server"
local stage = require "support.stage"
local wsclose = require "wsclose"

local endings = {}

-- How near to its moment a deadline is tried, before and behind.
local TICK = 0.001

-- Turns on a clock that stands still: for what comes at once, and for what is not long in coming.
local QUIET, PATIENCE = 4, 2000

-- And then, over sockets, so many times so many seconds more.
local ROUNDS, MORE = 5, 5

-- ---------------------------------------------------------------- scenes that are no stage

-- The verbs of support.Stage that a row needs before there is a connection.
local Way = {}
Way.__index = Way

function Way:now() return self.time.now end

function Way:pass(seconds) self.time.now = self.time.now + seconds end

function Way:turn(seconds)
  if self.server then self.server:step() end
  self.ws:update(seconds or 0)
end

function Way:frames()
  local connection = self.server and self.server.connections[1]
  return connection and connection.frames or {}
end

local function on_a_way(time)
  local self = setmetatable({ time = time, opens = 0, got = {}, closes = {} }, Way)
  self.callbacks = {
    on_open = function() self.opens = self.opens + 1 end,
    on_close = function(_, code, reason, info)
      self.closes[#self.closes + 1] = { code = code, reason = reason, info = info, at = self:now() }
    end,
  }
  return self
end

local function merged(...)
  local all = {}
  for _, options in ipairs { ... } do
    for name, value in pairs(options) do all[name] = value end
  end
  return all
end

-- Stuck in a phase of phases.lua, whose clock it has.
local function stuck_in(phase, options)
  local self = on_a_way()
  local stuck = phases.enter(phase, merged(self.callbacks, options))
  self.time, self.ws, self.server = stuck.time, stuck.ws, stuck.server
  return self
end

local function connecting(url, options, server)
  local time, clock = network.new_clock()
  local self = on_a_way(time)
  local all = merged({ clock = clock, proxy = false }, self.callbacks, options)
  self.server, self.ws = server, assert(wsclose.new(url, all))
  return self
end

-- What is met on the way, by the words of the column `meets`.
local MEETS = {
  ["no address"] = function(options)
    local resolver = network.resolver()
    resolver:answer "EAI_NONAME"
    local self = connecting("ws://feed.example/", options)
    resolver:attach(self.ws)
    return self
  end,
  ["a closed port"] = function(options)
    return connecting("ws://127.0.0.1:" .. scripted.refused_port(), options)
  end,
}

-- A server that plays `script`: reached as it is, by TLS, or taken for a proxy.
local function meeting(row, options)
  local server = scripted.new(row.script)
  if row.meets == "a proxy" then
    local proxy = row.proxy:format(server.port)
    return connecting("ws://feed.example/", merged(options, { proxy = proxy }), server)
  end
  return connecting(server:url("/", row.meets == "TLS" and "wss" or "ws"), options, server)
end

-- ---------------------------------------------------------------- playing

--- The ways in which a row is played.
---@return string[]
function endings.ways(row)
  return (row.at == nil or row.at == "new" or row.at == "asked") and not row.meets
    and (row.ways or stage.ways) or { "over a socket" }
end

local function asked(way, options)
  local s = stage.new(way, merged(options, { stalls = true }))
  assert(s:turns(0, function() return s:is_asked() end))
  return s
end

local function begin(row, way, options)
  if row.meets then return (MEETS[row.meets] or meeting)(row.script and row or options, options) end
  if row.at == "new" then return stage.new(way, options) end
  if row.at == "asked" then return asked(way, options) end
  return row.at and stuck_in(row.at, options) or stage.open(way, options)
end

local function quiet(s)
  for _ = 1, QUIET do s:turn() end
end

-- So many seconds go by but for an instant, and then that.
local function wait(s, row, seconds)
  for _ = 1, row.between and seconds - 1 or 0 do
    row.between(s)
    quiet(s)
    s:pass(1)
  end
  if row.between then row.between(s) end
  quiet(s)
  s:pass((row.between and 1 or seconds) - TICK)
  quiet(s)
  s.due = s:now()
  s:pass(2 * TICK)
end

local function until_told(s)
  for _ = 1, PATIENCE do
    if s.closes[1] then return true end
    s:turn(0.001) -- on a way, threads and other processes have a say
  end
end

--- Plays a row until the end was told.
---@param row closing.Row
---@param way string
---@param draw? number what the retry policy draws; nil: there is none
---@return support.Stage
function endings.play(row, way, draw)
  local retry = draw and { random = function() return draw end } or nil
  local s = begin(row, way, merged(row.options or {}, { retry = retry }))
  if row.play then row.play(s, way) end
  s.began = s:now()
  for _, name in ipairs(row.waits or {}) do wait(s, row, close_matrix.seconds(row, name)) end
  -- that a kernel has sent on what lay there counts as life, and comes by its own clock
  for _ = 1, ROUNDS do
    quiet(s)
    if not row.behind or s.ws:state() == "closing" then break end
    s:pass(MORE)
  end
  if row.behind then row.behind(s, way) end
  for _ = 1, ROUNDS do
    if until_told(s) then break end
    s:pass(MORE)
  end
  assert(s.closes[1], "no end was told")
  if not row.holds then quiet(s) end -- what is on its way to the server arrives
  return s
end

-- ---------------------------------------------------------------- saying what came

local function quoted(reason, known)
  if reason == "" then return "" end
  return reason == known and ' "…"' or (' "%s"'):format(reason)
end

local function frame_words(frame, reason)
  if frame.name ~= "close" then return frame.name end
  if frame.code == 1005 then return "Close, empty" end
  return ("Close %d%s"):format(frame.code, quoted(frame.reason, reason))
end

local function out_words(s, reason)
  local words, last, count = {}, nil, 0
  local function add()
    if last then words[#words + 1] = count > 1 and ("%d × %s"):format(count, last) or last end
  end
  for _, frame in ipairs(s:frames()) do
    local word = frame_words(frame, reason)
    if word == last then
      count = count + 1
    else
      add()
      last, count = word, 1
    end
  end
  add()
  return words[1] and table.concat(words, ", ") or "nothing"
end

local function how_words(s, info)
  local words = { info.clean and "clean" or nil }
  local function add(format, ...) words[#words + 1] = format:format(...) end
  add("by the %s", info.by)
  if not info.opened then add "not opened" end
  local received = info.received
  if received and (received.code ~= info.code or received.reason ~= info.reason) then
    add("received %d%s", received.code, quoted(received.reason))
  elseif not received and info.by == "peer" and info.opened then
    add "nothing received"
  end
  if #s.got > 0 then add("%d given", #s.got) end
  if info.dropped > 0 then add("%d dropped", info.dropped) end
  if info.undelivered > 0 then add("%d bytes undelivered", info.undelivered) end
  return table.concat(words, ", ")
end

local function error_words(fault)
  return fault and ("%s in %s"):format(fault.name, fault.phase) or "none"
end

--- The cells of a row, as far as one play tells them.
---@param s support.Stage
---@return table<string, string|number>
function endings.cells(s)
  local came = s.closes[1]
  local info = came.info
  return {
    out = out_words(s, info.reason), told = ("%d%s"):format(came.code, quoted(came.reason)),
    how = how_words(s, info), error = error_words(info.error),
    seconds = math.floor((came.at - s.began) * 10 + 0.5) / 10,
    early = s.due ~= nil and came.at <= s.due,
  }
end

--- What follows, told by the least and the most that a policy may draw.
---@param low number?
---@param high number?
---@return string
function endings.follows(low, high)
  if not low then return "no" end
  return ("%g–%g s"):format(math.floor(low * 100 + 0.5) / 100, math.floor(high * 100 + 0.5) / 100)
end

--- Ends all scenes.
function endings.close_all()
  stage.close_all()
  network.close_all()
end

endings.stop_all = stage.stop_all

return endings
