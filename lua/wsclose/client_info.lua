--- What a client tells of its connection and its counters: ws:info and ws:stats.

local attempt = require "wsclose.attempt"
local close_info = require "wsclose.close_info"

local client_info = {}

---@class wsclose.Info
---@field url string
---@field state string
---@field attempt integer
---@field protocol? string the subprotocol chosen
---@field extensions table list of {name=, params=}, and by name
---@field headers table of the answer: list of {name, value}, and values by lower-case name
---@field status? integer of the handshake's answer
---@field address? string the peer's
---@field port? integer
---@field family? integer 4, 6, or 0 for a unix socket
---@field phase string
---@field tls? wsclose.TlsInfo

---@class wsclose.TlsInfo
---@field version string "TLSv1.3"
---@field cipher string
---@field group? string of the key exchange; nil also with OpenSSL before 3.0
---@field resumed boolean
---@field certificate wsclose.Certificate the server's

---@class wsclose.Certificate
---@field subject string as RFC 2253 writes it
---@field names string[] the host names and addresses it is for
---@field not_after integer its last second, counted from 1970

local Info = {}

-- `wss://feed.example/v1 is open: 192.0.2.7, port 443, TLSv1.3, feed.v2, permessage-deflate`
function Info:__tostring()
  local parts = {}
  local function add(format, value) parts[#parts + 1] = value and format:format(value) end
  add("%s", self.address)
  add("port %d", self.family ~= 0 and self.port or nil) -- 0: a unix socket
  add("%s", (self.tls or {}).version)
  add("%s", self.protocol)
  for _, extension in ipairs(self.extensions or {}) do add("%s", extension.name) end
  local known = #parts > 0 and ": " .. table.concat(parts, ", ") or ""
  return ("%s is %s%s"):format(self.url, self.state, known)
end

--- What is known of the connection; tostring makes a line of it.
---@param self wsclose.Client
---@return wsclose.Info
function client_info.of(self)
  local handle = attempt.handle_of(self)
  local info = handle:info()
  local number, _, url = handle:attempt()
  info.url, info.state = close_info.shown_url(url or self.url), self:state()
  info.attempt = number
  for name, value in pairs(handle:peer()) do info[name] = value end
  return setmetatable(info, Info)
end

--- Counters of this connection, or of the last one: bytes, frames and messages each way, payload
-- before and wire after compression, rtt in seconds; total: the counters over all attempts; how
-- many attempts there were, and messages that nobody took.
---@param self wsclose.Client
---@return table<string, number|table>
function client_info.stats(self)
  local handle, stats = attempt.handle_of(self), {}
  for name, number in pairs(self._last_stats or handle:stats()) do stats[name] = number end
  stats.total = attempt.total(self, stats)
  stats.attempts, stats.messages_dropped = self._handle:attempt(), self._dropped or 0
  stats.messages_undelivered = self._outbox and self._outbox.lost or 0
  return stats
end

--- The handle is about to be given back.
function client_info.keep_stats(self)
  self._last_stats = self._last_stats or self._handle:stats()
end

return client_info
