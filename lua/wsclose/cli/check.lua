--- `wsclose check URL`, the doctor: what a connection goes through, measured.  This file asks and
-- measures; what people read is written by report.lua.

local connection = require "wsclose.cli.connection"
local json = require "wsclose.cli.json"
local report = require "wsclose.cli.report"
local wsclose = require "wsclose"

local check = {}

local PINGS = 5
local PONG_PATIENCE = 5

-- How long the server may take for its Close, and then to close TCP: longer than a client waits,
-- so that late ones are seen.
local CLOSE_TIMEOUT, LINGER = 5, 5

---@class wsclose.cli.Doctor
---@field url string
---@field options wsclose.Options of all connections
---@field system wsclose.cli.System
---@field show fun(section: string, value: any) a finding
local Doctor = {}
Doctor.__index = Doctor

-- ---------------------------------------------------------------- one connection

---@class wsclose.cli.Visit a connection, and what happened on it
---@field ws wsclose.Client
---@field phases {name: string, seconds: number}[] those that are over
---@field tls? table
---@field address? string
---@field port? integer
---@field messages integer
---@field pings integer
---@field close_came? number when the server's Close came
---@field ended? number when all was over
---@field failure? wsclose.CloseInfo set where it ended in another way than asked for

local function callbacks(visit, now)
  return {
    on_message = function() visit.messages = visit.messages + 1 end,
    on_ping = function() visit.pings = visit.pings + 1 end,
    on_pong = function(_, _, rtt) visit.rtt = rtt or false end,
    on_frame = function(_, direction, frame)
      if direction == "in" and frame.name == "close" then visit.close_came = now() end
    end,
    on_close = function(_, _, _, info) visit.ended, visit.info = now(), info end,
  }
end

local function visit_of(self, more)
  local visit = { phases = {}, messages = 0, pings = 0 }
  local options = callbacks(visit, self.system.now)
  for name, value in pairs(self.options) do options[name] = value end
  for name, value in pairs(more or {}) do options[name] = value end
  visit.ws = connection.new(self.url, options)
  return visit
end

-- In their order; what a URL does not need is left out.
local ORDER = { dns = 1, tcp = 2, proxy = 3, tls = 4, handshake = 5, open = 6 }
local NAMES = { "dns", "tcp", "proxy", "tls", "handshake" }

local function is_address(url)
  local host = url:match "^[^/]*//([^/?#]*)":gsub("^.*@", "")
  return host:find "^%[" ~= nil or host:gsub(":%d*$", ""):find "^%d+%.%d+%.%d+%.%d+$" ~= nil
end

local function needs(visit, name)
  if name == "dns" then return not is_address(visit.ws.url) end
  if name == "tls" then return visit.ws.url:find "^[Ww][Ss][Ss]" ~= nil end
  return name ~= "proxy"
end

-- The phase `from` has ended, and the next one that was seen is `to`; those between took no time
-- that could be seen.  An address is no name: its first phase is TCP.
local function note(visit, from, to, seconds)
  for i = ORDER[from], ORDER[to] - 1 do
    local name = NAMES[i]
    if needs(visit, name) or name == "proxy" and from == "proxy" then
      table.insert(visit.phases, { name = name, seconds = seconds })
      seconds = 0
    end
  end
end

-- One step, and what it led to.
local function look(self, visit, last)
  self.system.update(visit.ws, math.huge)
  local info = visit.ws:info()
  visit.tls, visit.address, visit.port =
    info.tls or visit.tls, info.address or visit.address, info.port or visit.port
  local now, phase = self.system.now(), info.phase
  if visit.info and visit.info.error then phase = visit.info.error.phase end
  if not ORDER[phase] then phase = "handshake" end -- a Close 1010 is under way
  if phase ~= last.phase then note(visit, last.phase, phase, now - last.at) end
  if phase ~= last.phase or visit.info then
    last.phase, last.at, last.seconds = phase, now, now - last.at
  end
end

-- Connects, and notes when each phase is over.
local function open(self, more)
  local visit = visit_of(self, more)
  local last = { phase = visit.ws:info().phase, at = self.system.now() }
  repeat
    look(self, visit, last)
  until visit.info or visit.ws:state() == "open"
  visit.failure = visit.info
  if visit.failure then
    table.insert(visit.phases, { name = last.phase, seconds = last.seconds })
  end
  return visit
end

local function wait_until(self, visit, at, happened)
  while not visit.ended and not happened() do
    local left = at - self.system.now()
    if left <= 0 then return end
    self.system.update(visit.ws, left)
  end
end

local function close(self, visit)
  visit.asked = self.system.now()
  visit.ws:close(1000)
  wait_until(self, visit, math.huge, function() return false end)
end

-- ---------------------------------------------------------------- findings

-- What wsclose.retry makes of an end, as a window.
local function retry_of(info)
  local function drawn(number)
    local policy = wsclose.retry { random = function() return number end }
    if info.opened then policy:opened() end
    return policy:next(info.code, info)
  end
  local low, why = drawn(0)
  return low and { low, (drawn(1 - 2 ^ -53)) }, why
end

local function failure_of(info)
  local window, why = retry_of(info)
  return {
    code = info.code, name = info.name, reason = info.reason,
    phase = info.error and info.error.phase, error = info.error and info.error.name,
    message = connection.without_secrets(info.error and info.error.message
      or ("the server closed with %d %s"):format(info.code, info.name), info.url or ""),
    retry_window = window or nil, retry_refused = why,
  }
end

local OWN_HEADERS = {
  host = true, upgrade = true, connection = true, ["user-agent"] = true,
  ["sec-websocket-version"] = true, ["sec-websocket-extensions"] = true,
  ["sec-websocket-protocol"] = true,
}

-- The request as it is sent, but for what is secret or random.
local function request_of(self)
  local options = {}
  for _, name in ipairs { "headers", "protocols", "extensions" } do
    options[name] = self.options[name]
  end
  local head = assert(wsclose.protocol(self.url, options)):output()
  local lines = {}
  for line in head:gmatch "([^\r\n]+)\r\n" do
    local name, shown = line:match "^([^%s:]+):", line
    if not name then
      shown = connection.without_secrets(line, self.url)
    elseif not OWN_HEADERS[name:lower()] then
      shown = name .. ": …"
    end
    lines[#lines + 1] = shown
  end
  return json.array(lines)
end

local HIDDEN = { ["set-cookie"] = true, ["sec-websocket-accept"] = true }

local function answer_of(status, headers)
  local list = {}
  for i, header in ipairs(headers) do
    local name, value = header[1], header[2]
    if HIDDEN[name:lower()] then value = "…" end
    if name:lower() == "location" then value = connection.shown_url(value) end
    list[i] = { name, value }
  end
  return { status = status, headers = json.array(list) }
end

local function show_opening(self, visit)
  local failure, ws = visit.failure, visit.ws
  self.show("phases", {
    phases = json.array(visit.phases), address = visit.address, port = visit.port, tls = visit.tls,
    protocol = ws:info().protocol, failure = failure and failure_of(failure),
  })
  if failure and visit.phases[#visit.phases].name ~= "handshake" then return end
  self.show("request", request_of(self))
  local http = failure and failure.http
  local status, headers = ws:info().status, ws:info().headers
  if http then status, headers = http.status, http.headers end
  if status and headers then self.show("answer", answer_of(status, headers)) end
end

local function show_round_trip(self, visit)
  local times = {}
  for number = 1, PINGS do
    visit.rtt = nil
    visit.ws:ping(tostring(number))
    wait_until(self, visit, self.system.now() + PONG_PATIENCE, function()
      return visit.rtt ~= nil
    end)
    if not visit.rtt then break end
    times[#times + 1] = visit.rtt
  end
  table.sort(times)
  self.show("round_trip", {
    count = #times, least = times[1], median = times[math.ceil(#times / 2)], most = times[#times],
  })
end

local function show_idle(self, visit, seconds)
  if seconds <= 0 then return end
  visit.messages, visit.pings = 0, 0
  local began = self.system.now()
  wait_until(self, visit, began + seconds, function() return false end)
  visit.failure = visit.info
  self.show("idle", {
    seconds = self.system.now() - began, asked = seconds, messages = visit.messages,
    pings = visit.pings, failure = visit.failure and failure_of(visit.failure),
  })
end

local function show_closing(self, visit)
  if visit.failure then return end
  close(self, visit)
  local info = visit.info
  local came = info.received and visit.close_came
  local lingered = came and visit.ended - came
  self.show("closing", {
    code = info.received and info.received.code, seconds = came and came - visit.asked,
    tcp = lingered and lingered < LINGER * 0.99 and lingered or nil, waited = came and LINGER,
    failure = not info.clean and failure_of(info) or nil,
  })
end

-- ---------------------------------------------------------------- extensions

local DEFLATE = "permessage-deflate"

-- Each is asked for as a program would that cannot do without it.
local ASKED = {
  { "client_no_context_takeover", true }, { "server_no_context_takeover", true },
  { "client_max_window_bits", 12 }, { "server_max_window_bits", 12 },
}

local function answer_to(visit)
  for _, header in ipairs(visit.ws:info().headers or {}) do
    if header[1]:lower() == "sec-websocket-extensions" then return header[2] end
  end
end

local function ask(self, name, deflate)
  local visit = open(self, { extensions = { [DEFLATE] = deflate } })
  local row = { asked = name }
  if visit.failure then
    row.agreed, row.failure = false, failure_of(visit.failure)
  else
    row.agreed, row.answer = true, answer_to(visit)
    close(self, visit)
  end
  return row
end

local function show_extensions(self, has_deflate)
  local rows = { ask(self, DEFLATE, { required = true }) }
  for _, each in ipairs(has_deflate and rows[1].agreed and ASKED or {}) do
    local name, value = each[1], each[2]
    rows[#rows + 1] = ask(self, name, { [name] = value, require = { name } })
  end
  self.show("extensions", rows)
end

-- ---------------------------------------------------------------- all of it

local function examine(self, read)
  local visit = open(self)
  show_opening(self, visit)
  if not visit.failure then
    local has_deflate = visit.ws:info().extensions[DEFLATE] ~= nil
    show_round_trip(self, visit)
    show_idle(self, visit, read.idle or 0)
    show_closing(self, visit)
    if not read["no-compression"] then show_extensions(self, has_deflate) end
  end
  return connection.status(visit.info)
end

---@param url string
---@param read wsclose.cli.Arguments
---@param system wsclose.cli.System
---@return integer status
function check.run(url, read, system)
  local options = connection.options(read)
  options.keepalive, options.clock = false, system.clock
  options.timeouts.close, options.timeouts.linger = CLOSE_TIMEOUT, LINGER
  local findings = { url = connection.shown_url(url) }
  local self = setmetatable({ url = url, options = options, system = system }, Doctor)
  function self.show(section, value)
    findings[section] = value
    if read.json then return end
    system.out(report[section](value))
    system.flush()
  end
  visit_of(self) -- what is wrong with the command line is said before all else
  if not read.json then system.out(findings.url .. "\n") end
  local status = examine(self, read)
  findings.status = status
  if read.json then system.out(json.encode(findings) .. "\n") end
  return status
end

return check
