--- `wsclose URL`: standard input goes to the server, what comes goes to standard output.

local connection = require "wsclose.cli.connection"
local json = require "wsclose.cli.json"

local talk = {}

local STDIN = 0
local FOREVER = math.huge

-- More is not read from standard input while so much has not left: what goes through a pipe is not
-- gathered here.
local QUEUE_MAX = 1048576

-- A line may be as long as a message that is sent.
local LINE_MAX = 16777216

-- A server that answers many messages may need longer for them than for the Close alone.
local PIPE_CLOSE_TIMEOUT = 30

-- How long to wait at most where no descriptor tells of the client.
local LOOK = 0.02

---@class wsclose.cli.Talk
---@field ws wsclose.Client
---@field read wsclose.cli.Arguments
---@field system wsclose.cli.System
---@field unsent string[] read from standard input, and not taken by the client yet
---@field partial string[] pieces of a line that has not ended
---@field ended boolean nothing more will be sent
---@field came boolean a message has
---@field failed boolean a message could not be sent
local Talk = {}
Talk.__index = Talk

-- ---------------------------------------------------------------- what is written

function Talk:say(format, ...)
  if not self.read.quiet then self.system.err("wsclose: " .. format:format(...) .. "\n") end
end

-- What a server says may not steer the terminal.
local function harmless(text)
  text = text:gsub("[%c]", function(byte)
    if byte == "\n" or byte == "\t" then return nil end
    return ("\\x%02x"):format(byte:byte())
  end)
  return (text:gsub("\194([\128-\159])", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

function Talk:event(fields)
  self.system.out(json.encode(fields) .. "\n")
end

local function show_message(self, data, kind)
  local read, out = self.read, self.system.out
  if read.json then
    local is_text = kind == "text"
    self:event {
      event = "message", kind = kind, data = is_text and data or nil,
      base64 = not is_text and json.base64(data) or nil,
    }
  elseif read.binary then
    out(data)
  elseif not self.system.out_is_terminal then
    out(data .. "\n")
  elseif kind == "text" then
    out("< " .. harmless(data) .. "\n")
  else
    out(("< %d bytes, binary\n"):format(#data))
  end
end

-- ---------------------------------------------------------------- what is sent

-- True: the client has it, or will never take it.
local function send_one(self, data)
  local ok, sentence, name = self.ws:send(data, self.read.binary and "binary" or "text")
  if ok then return true end
  if name == "busy" or name == "state" then return false end
  self.failed = true
  if name == "utf8" then sentence = sentence .. "; --binary sends bytes as they are" end
  self:say("a message was not sent: %s", sentence)
  return true
end

local function send_unsent(self)
  local unsent, sent = self.unsent, 0
  while unsent[sent + 1] and send_one(self, unsent[sent + 1]) do sent = sent + 1 end
  if sent == 0 then return end
  for i = 1, #unsent do unsent[i] = unsent[i + sent] end
end

local function take_lines(self, bytes)
  local partial, unsent = self.partial, self.unsent
  local at, ends = 1, bytes:find("\n", 1, true)
  while ends do
    partial[#partial + 1] = bytes:sub(at, ends - 1)
    unsent[#unsent + 1] = table.concat(partial)
    partial, at = {}, ends + 1
    self.partial, self.partial_size, ends = partial, 0, bytes:find("\n", at, true)
  end
  if at > #bytes then return end
  partial[#partial + 1] = bytes:sub(at)
  self.partial_size = self.partial_size + #bytes - at + 1
  if self.partial_size > LINE_MAX then
    self.partial, self.partial_size, self.ended, self.failed = {}, 0, true, true
    self:say("a line is longer than %d bytes and is not sent; --binary needs no lines", LINE_MAX)
  end
end

local function end_input(self)
  self.ended = true
  if self.partial[1] then
    self.unsent[#self.unsent + 1] = table.concat(self.partial)
    self.partial = {}
  end
end

-- Takes what standard input has, waiting for that, or for work of the client's.
local function take_input(self, seconds)
  local fd = self.ws:pollfd()
  if not fd then seconds = math.min(seconds, LOOK) end
  local bytes = self.system.read(STDIN, seconds, fd)
  if not bytes then
    end_input(self)
  elseif bytes ~= "" then
    if self.read.binary then self.unsent[1] = bytes else take_lines(self, bytes) end
  end
end

-- ---------------------------------------------------------------- the end

-- Nothing is left to be sent: now, or after --wait, or with the first message, it is over.
local function finish(self)
  if self.finished or #self.unsent > 0 or self.ws:buffered() > 0 then return end
  local wait = self.read.wait or self.read.one and FOREVER or 0
  self.finish_at = self.finish_at or self.system.now() + wait
  if self.system.now() < self.finish_at then return end
  self.finished = true
  self.ws:close(1000)
end

local function status_of(self)
  local status = connection.status(self.ws.close_info)
  if status ~= connection.OK then return status end
  local silent = self.read.one and not self.came
  return (self.failed or silent) and connection.CLOSED or connection.OK
end

-- ---------------------------------------------------------------- events

local function fields_of_close(info)
  return {
    event = "close", code = info.code, name = info.name, reason = info.reason, by = info.by,
    clean = info.clean, opened = info.opened, retry_in = info.retry_in,
    undelivered = info.undelivered, dropped = info.dropped,
    error = info.error and {
      name = info.error.name, message = info.error.message, phase = info.error.phase,
    },
    status = info.http and info.http.status,
  }
end

local function names_of(extensions)
  local names = {}
  for i, extension in ipairs(extensions) do names[i] = extension.name end
  return json.array(names)
end

local function callbacks(self, options)
  local is_json = self.read.json
  function options.on_open(ws, info)
    for i, text in ipairs(self.read.exec or {}) do self.unsent[i] = text end -- anew after a retry
    if is_json then
      self:event {
        event = "open", url = connection.shown_url(ws.url), protocol = info.protocol,
        extensions = names_of(info.extensions), address = info.address, port = info.port,
      }
    elseif self.system.in_is_terminal then
      self:say("connected to %s", connection.shown_url(ws.url))
    end
  end
  function options.on_message(ws, data, kind)
    if self.read.one and self.came then return end
    self.came = true
    show_message(self, data, kind)
    if self.read.one then
      self.ended, self.finished, self.unsent = true, true, {}
      ws:close(1000)
    end
  end
  function options.on_close(_, _, _, info)
    if is_json then
      local fields = fields_of_close(info)
      fields.sentence = connection.sentence(info)
      self:event(fields)
    end
    self:say("%s", connection.sentence(info))
  end
  if not is_json then return end
  function options.on_ping() self:event { event = "ping" } end
  function options.on_pong(_, _, rtt) self:event { event = "pong", rtt = rtt } end
end

-- ---------------------------------------------------------------- the loop

local function patience(self)
  local seconds = self.ws:timeout() or FOREVER
  if self.finish_at then seconds = math.min(seconds, self.finish_at - self.system.now()) end
  return math.max(0, seconds)
end

local function wants_input(self)
  return not self.ended and #self.unsent == 0 and self.ws:state() == "open"
    and self.ws:buffered() < QUEUE_MAX
end

local function run(self)
  while self.ws:update(0) do
    if self.ws:state() == "open" then
      send_unsent(self)
      if self.ended then finish(self) end
    end
    self.system.flush()
    if wants_input(self) then
      take_input(self, patience(self))
    else
      self.ws:update(patience(self))
    end
  end
  self.system.flush()
  return status_of(self)
end

-- Ctrl-C is an error that the interpreter raises; whatever it breaks into, the server is told.
local function guarded(self)
  local ok, result = pcall(run, self)
  if ok then return result end
  if not tostring(result):find "interrupted!$" then error(result, 0) end
  self.ws:leave()
  self.system.flush()
  return connection.INTERRUPTED
end

---@param url string
---@param read wsclose.cli.Arguments
---@param system wsclose.cli.System
---@return integer status
function talk.run(url, read, system)
  local self = setmetatable({
    read = read, system = system, unsent = {}, partial = {}, partial_size = 0,
    ended = read.exec ~= nil, came = false, failed = false,
  }, Talk)
  local options = connection.options(read)
  options.retry = read.retry and { max = read["max-delay"] }
  if read.ping then options.keepalive = read.ping > 0 and { interval = read.ping } or false end
  if not system.in_is_terminal then options.timeouts.close = PIPE_CLOSE_TIMEOUT end
  callbacks(self, options)
  self.ws = connection.new(url, options)
  return guarded(self)
end

return talk
