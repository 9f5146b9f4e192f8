--- What on_close is told: the names of codes, one sentence for a log, and the report of an attempt
-- that ended before the core saw it.

local close_codes = require "wsclose.close_codes"

local close_info = {}

---@class wsclose.CloseFrame
---@field code integer
---@field reason string

---@class wsclose.CloseError
---@field name string "timeout", "dns", "refused", … as in docs
---@field message string a sentence
---@field phase string "url", "dns", "tcp", "proxy", "tls", "handshake", "open" or "close"
---@field certificate? boolean the fault is the certificate's, or the host name's in it
---@field status? integer of HTTP, where a proxy refused

---@class wsclose.Refusal
---@field status integer
---@field headers table list of {name, value}, and values by lower-case name
---@field body string its first 4096 bytes

---@class wsclose.CloseInfo
---@field code integer
---@field reason string
---@field name string "GOING_AWAY"
---@field clean boolean both Close frames went their way
---@field opened boolean did on_open fire
---@field by "peer"|"client"|"network"
---@field sent? wsclose.CloseFrame nil where ours has not left
---@field received? wsclose.CloseFrame as it came, also with a code that may not travel
---@field error? wsclose.CloseError
---@field http? wsclose.Refusal
---@field undelivered integer bytes of messages that were not wholly written and never will be
---@field dropped integer messages that had come and that the program did not take
---@field url? string
---@field attempt? integer counts from 1 over the client's life
---@field duration? number seconds from the attempt's begin
---@field retry_in? number seconds until the next attempt
---@field retry_refused? string a sentence, when there will be none
local Info = {}
Info.__index = Info
Info.__name = "wsclose.CloseInfo"

local function what_happened(info)
  if info.by == "peer" and info.opened then return "closed by the peer" end
  if info.by == "client" and info.opened then return "closed by this client" end
  if info.by == "client" and not info.error then return "cancelled" end
  return info.opened and "lost" or "failed"
end

-- A token may stand in a query without a name.
local function hide_value(field)
  return (field:match "^[^=]*=" or "") .. "..."
end

--- A URL for people and logs: without user, password and the query's values.
---@param url string
---@return string
function close_info.shown_url(url)
  if not url:find("@", 1, true) and not url:find("?", 1, true) then return url end
  local public = url:gsub("^([^/?#]*/+)[^/?#]*@", "%1")
    :gsub("^([Ww][Ss][Ss]?:)[^/?#]*@", "%1"):gsub("^[^/?#]*@", "") -- what is no URL holds them too
  return (public:gsub("%?([^#]*)", function(query)
    return "?" .. query:gsub("[^&]+", hide_value)
  end, 1))
end

local function quoted(reason)
  return (('"%s"'):format(reason:gsub("%c", "?")))
end

--- `connection to wss://feed.example/v1 closed by the peer: 1001 GOING_AWAY "restart" after 12.3 s;
-- next attempt in 2.1 s`
function Info:__tostring()
  local parts = { "connection" }
  local function add(format, ...) parts[#parts + 1] = format:format(...) end
  if self.url then add(" to %s", close_info.shown_url(self.url)) end
  add(" %s: %d %s", what_happened(self), self.code, self.name)
  local fault = self.error
  -- of a Close of ours the reason is the error's words, or as many as it could hold
  local repeated = fault and self.by == "client" and fault.message:find(self.reason, 1, true)
  if self.reason ~= "" and not repeated then add(" %s", quoted(self.reason)) end
  if fault then add(", %s (%s in phase %s)", fault.message, fault.name, fault.phase) end
  if self.duration then add(" after %.3g s", self.duration) end
  if self.undelivered > 0 then add("; %d bytes were not delivered", self.undelivered) end
  if self.dropped > 0 then add("; %d messages that had come were not taken", self.dropped) end
  if self.retry_in then
    add("; next attempt in %.3g s", self.retry_in)
  elseif self.retry_refused then
    add("; %s", self.retry_refused)
  end
  return table.concat(parts)
end

--- Why no connection came about.
---@param info wsclose.CloseInfo
---@return string sentence
function close_info.why_not_open(info)
  local why = info.error and info.error.message
    or ("%d %s %s"):format(info.code, info.name, info.reason):gsub("%s+$", "")
  return ("cannot connect to %s: %s"):format(close_info.shown_url(info.url), why)
end

--- Completes a table made by the core.
---@param info table
---@return wsclose.CloseInfo
function close_info.finish(info)
  info.name = close_codes.row_of(info.code).name
  return setmetatable(info, Info)
end

local NO_CONNECTION = {
  code = 1006, reason = "", clean = false, opened = false, by = "network", undelivered = 0,
  dropped = 0,
}

--- One that the core did not make.
---@param fields table
---@param base? wsclose.CloseInfo what they are laid over, which stays as it was; default: of an
---  attempt that ended before a connection existed
---@return wsclose.CloseInfo
function close_info.new(fields, base)
  local info = {}
  for name, value in pairs(base or NO_CONNECTION) do info[name] = value end
  for name, value in pairs(fields) do info[name] = value end
  return close_info.finish(info)
end

return close_info
