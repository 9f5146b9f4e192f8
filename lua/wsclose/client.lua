--- The client: its methods.  What moves a connection on goes through turn.lua; how an attempt
-- begins, ends and is followed by the next, attempt.lua has.
--
-- No callback is called from inside anything but the calls that say so: update, run, receive,
-- messages, connect and leave.

local core = require "wsclose.core"
local attempt = require "wsclose.attempt"
local checks = require "wsclose.checks"
local client_info = require "wsclose.client_info"
local close_info = require "wsclose.close_info"
local inbox = require "wsclose.inbox"
local options = require "wsclose.options"
local outbox = require "wsclose.outbox"
local timers = require "wsclose.timers"
local turn = require "wsclose.turn"
local writer = require "wsclose.writer"

local core_client = core.client_methods
local now, notify, handle_of = attempt.now, attempt.notify, attempt.handle_of
local take_kept, as_many = inbox.take, inbox.as_many
local RARE, advance, dispatch, take_left = turn.RARE, turn.advance, turn.dispatch, turn.take_left

local FOREVER = math.huge

-- The core's client is a handle; what waits for it waits in the core.
core_client.host = core
function core_client.sleep(_, seconds) core.sleep(seconds) end

---@alias wsclose.Handle userdata|wsclose.Carried the core's client, or another: see CONTRIBUTING.md

---@class wsclose.Frame
---@field opcode integer
---@field name string "text", "binary", "continuation", "close", "ping", "pong"
---@field fin boolean
---@field rsv1 boolean
---@field masked boolean
---@field size integer payload bytes on the wire
---@field payload? string of control frames

---@class wsclose.Client
---@field url string where the next attempt leads to; may be changed
---@field headers? table as the option; may be changed
---@field close_code? integer of the last attempt that ended
---@field close_reason? string
---@field close_info? wsclose.CloseInfo
---@field on_open? fun(ws: wsclose.Client, info: wsclose.Info)
---@field on_message? fun(ws: wsclose.Client, data: string, kind: "text"|"binary")
---@field on_piece? fun(ws: wsclose.Client, piece: string, kind: "text"|"binary", last: boolean)
---@field on_close? fun(ws: wsclose.Client, code: integer, reason: string, info: wsclose.CloseInfo)
---@field on_retry? fun(ws: wsclose.Client, delay: number, info: wsclose.CloseInfo)
---@field before_connect? fun(ws: wsclose.Client, attempt: integer): table?, string?
---@field on_ping? fun(ws: wsclose.Client, data: string)
---@field on_pong? fun(ws: wsclose.Client, data: string, rtt?: number)
---@field on_drain? fun(ws: wsclose.Client)
---@field on_undelivered? fun(ws: wsclose.Client, data: string, kind: "text"|"binary", why: string)
---@field on_frame? fun(ws: wsclose.Client, direction: "in"|"out", frame: wsclose.Frame)
---@field package _state "idle"|"starting"|"opening"|"running"|"waiting"|"closed"
---@field package _handle wsclose.Handle
---@field package _settings wsclose.Settings
---@field package _due number when the next one does, while waiting
---@field package _quiet boolean running, without notices and timers: see advance
---@field package _notices table|false what is still to be told, a linked list
---@field package _timers wsclose.Timer[]|false see timers.lua
---@field package _inbox wsclose.Inbox|false for receive, or with the option pieces receive_piece
---@field package _pulls? true the program has called one of them
---@field package _full? boolean the inbox holds events back
---@field package _dropped? integer messages that nobody took
local Client = {}
Client.__index = Client
Client.__name = "wsclose.Client"
Client._notices, Client._timers = false, false -- what only some clients have is found sooner

local client = { Client = Client, now = core.now, handle_of = handle_of }

-- What is a client's own of all that it has only sometimes.
local OWN = {}
for name in ([[_notices _timers _inbox _pulls _paused _full _dropped _stopping _left _reconnecting
    _due _asking _route _last_stats close_code close_reason close_info]]):gmatch "%S+" do
  OWN[name] = true
end

-- Callbacks that are set for the first time come here, and all else that is not there yet; what a
-- client has already does not, so that nothing is slower.
local rawset = rawset
function Client:__newindex(name, value)
  if not OWN[name] then options.check_field(name, value, self) end
  rawset(self, name, value)
end

-- ---------------------------------------------------------------- moving on

local function is_closed(self)
  return self._state == "closed" and not self._notices
end

--- Raises at the caller of the method that calls this.
---@param seconds any
---@param level? integer as error's
function client.check_seconds(seconds, level)
  if type(seconds) == "number" and seconds == seconds then return end
  error("expected seconds, got " .. checks.described(seconds), level or 3)
end
local check_seconds = client.check_seconds

--- The moment at which a wait of so many seconds is over; nil: never.  As check_seconds.
---@param seconds? number
---@return number
function client.due_in(self, seconds)
  handle_of(self, 4)
  if seconds == nil then return FOREVER end
  check_seconds(seconds, 4)
  return now(self) + seconds
end
local due_in = client.due_in

--- Does the work that is ready, waiting for some at most `seconds`; calls callbacks.
---@param seconds? number default 0: never waits
---@return boolean alive is there anything left to do?
---@return integer? code once closed for good
---@return string? reason
function Client:update(seconds)
  if not seconds then
    handle_of(self)
    seconds = 0
  elseif seconds ~= FOREVER then
    check_seconds(seconds)
  end
  if not self._quiet then seconds = advance(self, seconds) end
  if seconds then dispatch(self, seconds) end
  if self._quiet then return true end
  if self._timers then timers.fire(self, true) end
  if self._state == "closed" and not self._notices then
    return false, self.close_code, self.close_reason
  end
  return true
end

--- Calls update until the client is closed for good.
---@param seconds? number at most; default: as long as it takes
---@return integer? code nil: time is up
---@return string reason or "timeout"
---@return wsclose.CloseInfo? info
function Client:run(seconds)
  local due, left = due_in(self, seconds), seconds or FOREVER
  while self:update(left) do
    if seconds then
      left = due - now(self)
      if left <= 0 then return nil, "timeout" end
    end
  end
  return self.close_code, self.close_reason, self.close_info
end

--- Waits for the next message.  A message goes to one taker: to receive while that is what the
-- program waits in, else to on_message; without on_message it is kept for receive.
---@param seconds? number at most; default: as long as it takes
---@param in_pieces? true by receive_piece only
---@return string? data nil: none came
---@return string kind "text" or "binary"; without data "timeout", or once closed for good how it
---  ended, a sentence
---@return "timeout"|"closed"|"reopened"|nil name without data; "reopened": with the option
---  receive_reopened, what follows comes on another connection
---@return integer? code once closed for good
function Client:receive(seconds, in_pieces)
  local patience, give_up_at = FOREVER, nil
  if seconds then
    check_seconds(seconds)
    patience, give_up_at = seconds, now(self) + seconds
  elseif not self then
    handle_of(self)
  end
  self._pulls = true
  while true do
    if self._inbox then
      if not in_pieces then inbox.check_whole(self, 3) end
      local data, kind, last, code = take_kept(self)
      if kind then return as_many(data, kind, last, code) end
    end
    if not self._quiet then patience = advance(self, patience) end
    if patience then
      local data, event, a, b, c = self._handle:receive(patience)
      if data then return data, event end
      if event then
        local kind
        RARE[event](self, a, b, c, "message")
        data, kind, a, b = take_left(self)
        if not kind then data, kind, a, b = dispatch(self, event, "message") end
        if kind then return as_many(data, kind, a, b) end
      end
    end
    if self._inbox then
      local data, kind, last, code = take_kept(self)
      if kind then return as_many(data, kind, last, code) end
    end
    if is_closed(self) then
      return nil, tostring(self.close_info), "closed", self.close_code
    end
    patience = FOREVER
    if give_up_at then
      patience = give_up_at - now(self)
      if patience <= 0 then return nil, "timeout", "timeout" end
    end
  end
end

local receive = Client.receive

--- With the option pieces: waits for the next piece of a message, as receive does for a message;
-- without on_piece it is kept, and the server has to wait.
---@param seconds? number at most; default: as long as it takes
---@return string? piece nil: none came
---@return string kind "text" or "binary"; without a piece a sentence, as receive gives it
---@return boolean|"timeout"|"cut"|"closed" last it ends the message; "cut": the connection ended
---  within the message, and the next piece begins another
---@return integer? code with "cut" and "closed"
function Client:receive_piece(seconds)
  handle_of(self)
  if seconds then check_seconds(seconds) end
  inbox.check_pieces(self, 3)
  return receive(self, seconds, true)
end

--- Iterates over messages until the client is closed for good.
---@return fun(): string?, string? iterator data and kind
function Client:messages()
  handle_of(self)
  inbox.check_whole(self, 3)
  return function()
    local data, kind, name
    repeat data, kind, name = self:receive() until name ~= "reopened"
    if data then return data, kind end
  end
end

--- Waits until open, or closed for good.
---@return boolean open
function Client:wait_open()
  handle_of(self)
  repeat
    local patience = FOREVER
    if not self._quiet then patience = advance(self, FOREVER) end
    if patience and dispatch(self, patience, "open") and self._handle:state() == "open" then
      return true
    end
  until is_closed(self)
  return false
end

-- ---------------------------------------------------------------- sending

--- Queues a message: ws:send(data, kind, options).  Outside of callbacks it leaves at once, as far
-- as the network takes it.  data: string; kind: "text" (default), which must be UTF-8, "binary", 1
-- or 2; options: {compress=false}: not compressed.  Gives true; or nil, a sentence and a name:
-- "state": not open; "busy": the queue is full now, on_drain will tell; "too_big": it never fits;
-- "utf8".
---@type fun(self, data: string, kind?: string|integer, options?: table): boolean?, string?, string?
Client.send = core_client.send

--- Begins a message that is sent in pieces; meanwhile no other message can be sent.
---@param kind? "text"|"binary"|1|2
---@return wsclose.Writer
function Client:send_fragments(kind)
  local handle = handle_of(self)
  local number = handle:attempt()
  local function is_stale() return handle:attempt() ~= number end
  local send_fragment = self._outbox and outbox.fragments(self) or handle.send_fragment
  local made = writer.new(send_fragment, handle, kind, is_stale)
  return made
end

--- Sends a ping; the answer comes to on_pong, with the round-trip time if no other ping followed.
---@param data? string at most 125 bytes
---@return boolean? ok
---@return string? sentence
---@return string? name
function Client:ping(data)
  local ok, sentence, name = handle_of(self):ping(data)
  return ok, sentence, name
end

-- ---------------------------------------------------------------- closing and connecting anew

-- There is no attempt under way, and will be none.
local function stop(self)
  local info = self.close_info or close_info.new {
    by = "client", url = close_info.shown_url(self.url), attempt = 0,
  }
  local lost = self._outbox and self._outbox:clear() or 0
  info = close_info.new({
    retry_refused = attempt.closed_by_program(self, info), undelivered = info.undelivered + lost,
  }, info)
  info.retry_in = nil
  self.close_info = info
  self.close_code, self.close_reason = info.code, info.reason
  self._state, self._timers = "closed", nil
  self._handle:wake()
end

--- Starts the closing handshake and returns at once; on_close tells when it is over.  While
-- connecting it cancels; while waiting for the next attempt there will be none.  Safe to repeat.
---@param code? integer 1000-1003, 1007-1014, 3000-4999; default 1000; others raise
---@param reason? string at most 123 bytes of UTF-8, else it raises
---@return true
function Client:close(code, reason)
  local handle = handle_of(self)
  if self._outbox then self._outbox:finish(handle, now(self)) end
  handle:close(code, reason)
  rawset(self, "_stopping", true)
  if self._reconnecting then self._reconnecting = nil end
  if self._state == "idle" or self._state == "waiting" then
    stop(self)
  elseif self._state == "starting" then
    attempt.ended_early(self, nil, nil, "client")
  end
  if self._paused or self._full then self:resume() end -- the peer's answer has to be read
  return true
end

--- Closes the connection and connects anew at once, or after a delay, whatever the retry policy
-- says; it is not asked and its count stays.  Before the first attempt, while waiting and when
-- closed for good too.
---@param code? integer of the Close frame, as in close
---@param reason? string
---@param delay? number|number[] seconds from the connection's end, or a range to draw from (0)
---@return boolean? ok nil after leave()
---@return string? sentence
---@return string? name
function Client:reconnect(code, reason, delay)
  local handle, seconds, state = handle_of(self), attempt.delay(self, delay), self._state
  if self._outbox then self._outbox:finish(handle, now(self)) end
  handle:close(code, reason)
  if self._left then
    return nil, "the client has left for good; make another one", "state"
  elseif state == "running" then
    self._stopping, self._reconnecting = nil, seconds
  elseif state == "waiting" or state == "closed" or state == "idle" and seconds > 0 then
    self._stopping, self._state, self._due = nil, "waiting", now(self) + seconds
    handle:wake()
  end
  if self._paused or self._full then self:resume() end
  return true
end

--- The network is back: a client that waits for its next attempt makes it now.
---@return boolean kicked was it waiting?
function Client:kick()
  handle_of(self)
  if self._state ~= "waiting" then return false end
  self._due = now(self)
  self._handle:wake()
  return true
end

-- The attempt's end, and what was traced before it, are told when the handle is given back.
local function take_end(self)
  local handle = self._handle
  for event, a, b, c in handle.take, handle, 0 do
    if event == "close" then
      attempt.ended(self, c)
    else
      attempt.add_notice(self, { tell = function() RARE[event](self, a, b, c) end })
    end
  end
end

--- Reads what has come, says goodbye with Close 1001 and ends at once, without waiting for the
-- answer: for a host that goes away.  on_close is called, and told what was exchanged and what has
-- left; from inside of a call of the client, once that is over.  What collecting an open client
-- does, and `local ws <close>`.
function Client:leave()
  local handle = handle_of(self)
  self._stopping, self._reconnecting, self._paused, self._full = true, nil, nil, nil
  self._left = true
  if self._state == "running" or self._state == "opening" then
    if not handle:leave() then return end -- from inside of a call: update will tell of the end
    take_end(self)
  elseif self._state == "starting" then
    attempt.ended_early(self, nil, nil, "client")
  elseif self._state ~= "closed" then
    stop(self)
  end
  client_info.keep_stats(self)
  handle:free()
  notify(self)
end

Client.__close = Client.leave

--- Stops reading, so that the server has to wait; messages already here wait too.  It lasts until
-- resume, close or reconnect.
function Client:pause()
  handle_of(self)
  self._paused = true
  if self._state == "running" and self._handle:state() ~= "connecting" then inbox.set_hold(self) end
end

--- Goes on reading.
function Client:resume()
  handle_of(self)
  self._paused, self._full = nil, nil
  if self._state == "running" then inbox.set_hold(self) end
end

-- ---------------------------------------------------------------- for a foreign event loop

--- A descriptor that turns readable when update has work, the same over reconnections; or nil
-- where the system has none, as Windows.
---@return integer? descriptor
---@return string? sentence
---@return "state"? name
function Client:pollfd()
  return handle_of(self):pollfd()
end

--- What the descriptor is to be polled for.
---@return string events always "r": writing is watched behind the same descriptor
function Client:events() -- luacheck: ignore 212
  return "r"
end

--- Seconds until update has work though the descriptor is not ready.
---@return number? seconds 0: at once; nil: no deadline
function Client:timeout()
  handle_of(self)
  local state, moment = self._state, nil
  if self._notices or state == "idle" then return 0 end
  if state == "waiting" then moment = self._due end
  if state == "running" then moment = self._handle:deadline() end
  if self._timers then moment = timers.sooner(self, moment) end
  return moment and math.max(0, moment - now(self))
end

Client.after, Client.every = timers.after, timers.every

-- ---------------------------------------------------------------- looking on

--- Bytes that wait: in the outbox, and for the network to take them.
---@return integer
function Client:buffered()
  local bytes = handle_of(self):buffered()
  return self._outbox and bytes + self._outbox.kept.bytes or bytes
end

--- "idle" before the first update, then "connecting", "open", "closing", "waiting" for the next
-- attempt, "closed" for good.
---@return "idle"|"connecting"|"open"|"closing"|"waiting"|"closed"
function Client:state()
  if not self then handle_of(self) end
  local state = self._state
  if state == "starting" or state == "opening" then return "connecting" end
  if state ~= "running" then return state end
  state = self._handle:state()
  return state == "closed" and "closing" or state -- its end has not been told yet
end

Client.info, Client.stats = client_info.of, client_info.stats

function Client:__tostring()
  local _, _, url = self._handle:attempt()
  return ("wsclose client for %s (%s)"):format(close_info.shown_url(url or self.url), self:state())
end

-- ---------------------------------------------------------------- within nginx

-- What waits there on sockets of ours keeps a worker from all its requests.
local ngx = package.loaded.ngx
local nginx_methods = type(ngx) == "table" and ngx.config and ngx.config.subsystem and {}

--- Raises where a wait would stop a worker of nginx.
---@param name string of the call
---@param level? integer as error's; default: no line is named
function client.check_may_wait(name, level)
  if not nginx_methods then return end
  error(name .. " would wait, and stop the whole nginx worker: take wsclose.openresty, whose calls "
    .. "let it go on; with wsclose itself call update() now and then",
    level and level + 1 or 0)
end

local WAITING = { "update", "run", "receive", "receive_piece", "wait_open" }
for _, name in ipairs(nginx_methods and WAITING or {}) do
  local plain = Client[name]
  nginx_methods[name] = function(self, seconds)
    local waits = seconds == nil and name ~= "update" or type(seconds) == "number" and seconds > 0
    if waits then client.check_may_wait("ws:" .. name, 2) end
    return plain(self, seconds)
  end
end

-- ---------------------------------------------------------------- making one

--- A client that has not touched the network.
---@param url string
---@param settings wsclose.Settings
---@param callbacks table<string, function>
---@param headers? table the option, as given
---@param handle? wsclose.Handle default: one of the core's
---@return wsclose.Client? client nil: a faulty URL, or no memory
---@return string? sentence
---@return string? name
function client.new(url, settings, callbacks, headers, handle)
  local scheme, sentence, name = options.check_url(url)
  if not scheme then return nil, sentence, name end
  local send = handle and handle.send
  if not handle then
    handle, sentence, name = core.client(settings.random_bytes, settings.clock)
    if not handle then return nil, sentence, name end
  end
  -- reading hundreds of authorities takes longer than an update may
  if scheme == "wss" or (settings.config.proxy or "") ~= "" then
    handle:prepare(settings.config, url)
  end
  -- false, not nil: what every update looks at is found without asking the metatable.  What only
  -- some clients have is left out: with more than eight fields a table takes twice the memory.
  local self = {
    url = url, headers = headers,
    _handle = handle, _settings = settings, _state = "idle", _quiet = false,
    _inbox = inbox.of(settings),
  }
  for event, callback in next, callbacks do self[event] = callback end
  if settings.socket then self.socket = settings.socket end -- Lua 5.1 keeps a place for nil too
  local messages, seconds = settings.max_messages, settings.max_time
  if messages or seconds then handle:limit(messages, seconds) end
  if settings.outbox then
    outbox.attach(self, settings.outbox)
  elseif send then
    self.send = send -- the class has the core's, which the program's call reaches at once
  end
  if nginx_methods and not send then
    for waiting, method in pairs(nginx_methods) do self[waiting] = method end
  end
  return setmetatable(self, Client)
end

--- What connect gives for what new gave: waits until it is open.
---@param ws? wsclose.Client
---@param sentence? string
---@param name? string
---@return wsclose.Client?
---@return string? sentence why not
---@return string? name
---@return wsclose.CloseInfo? info
function client.opened(ws, sentence, name)
  if not ws then return nil, sentence, name end
  if ws:wait_open() then return ws end
  local info = ws.close_info
  return nil, close_info.why_not_open(info), info.error and info.error.name or "state", info
end

return client
