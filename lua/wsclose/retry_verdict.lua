--- Whether to connect again: what the user's options say, else what close_codes and the tables here
-- say.  Nothing here counts or waits.

local close_codes = require "wsclose.close_codes"
local checks = require "wsclose.checks"
local retry_options = require "wsclose.retry_options"

local row_of, rule_for = close_codes.row_of, retry_options.rule_for

local verdict = {}

-- Statuses that pass by themselves; 520-524 and 530 are Cloudflare's, about the origin behind it.
local RETRIED_STATUSES = {
  [408] = true, [425] = true, [429] = true,
  [500] = true, [502] = true, [503] = true, [504] = true,
  [520] = true, [521] = true, [522] = true, [523] = true, [524] = true, [530] = true,
}

-- Errors before the connection was open which the next attempt meets again, and what mends them.
local LASTING_ERRORS = {
  handshake = "the server's answer is no valid WebSocket handshake; see that the URL leads to a "
    .. "WebSocket server and that no proxy changes the answer",
  extension = "the server's answer names an extension or parameter that may not stand there; mend "
    .. "the server, or offer no extension",
  protocol = "the server breaks the protocol; info.error.message names the rule to mend",
  utf8 = "the server sends text that is not UTF-8; mend the server",
  too_big = "the server's answer is larger than limits allow; raise the limit",
  deflate = "the server's compressed data do not inflate; mend the server, or switch "
    .. 'the extension off with extensions = { ["permessage-deflate"] = false }',
  redirect = "the redirect may not be followed; raise the option redirects or use the final URL",
  url = "the URL is faulty; mend it",
}

local STATUS_CURES = {
  [400] = "check the URL, and whether the server wants other headers, an Origin for instance",
  [401] = "give valid credentials (headers, before_connect)",
  [403] = "have the right granted, or give other credentials or another Origin",
  [404] = "check the URL's path; a proxy that does not forward Upgrade makes servers answer so too",
  [407] = "give the proxy's user and password in the option proxy",
  [426] = "the server wants another protocol version",
}

-- Of a proxy, which is asked for a tunnel and knows nothing of what goes through it.
local PROXY_CURES = {
  [403] = "it does not let this client through to that host and port",
  [407] = STATUS_CURES[407],
}

-- The sixth in a row is hardly a passing fault, and yet nobody has said that it is for good.
local LASTING_ROW = 5

-- ---------------------------------------------------------------- reading the report

--- The HTTP status of a refused handshake, and who gave it.
---@param info table
---@return integer? status
---@return "proxy"|"server"? who
function verdict.status_of(info)
  if info.opened then return nil end
  local fault = info.error
  if fault and fault.name == "proxy" and fault.status then return fault.status, "proxy" end
  local status = type(info.http) == "table" and tonumber(info.http.status)
  if status and status ~= 101 then return status, "server" end
end
local status_of = verdict.status_of

-- A Close of the program's own.  Before the connection is open only a missing extension makes this
-- client send one (1010), and that is not the program's doing.
local function closed_by_program(code, info)
  local name = info.error and info.error.name
  if name == "cancelled" then return true end
  if info.by ~= "client" or (name and name ~= "close_timeout") then return false end
  return code ~= 1010 or info.opened == true
end

-- The peer's Close had a code that may not travel, so that we answered 1002: it was leaving anyway.
local function left_with_bad_code(code, info)
  local received = code == 1002 and info.received
  local number = received and received.code
  return type(number) == "number" and not row_of(number).on_wire
end

-- It is the peer that found a fault, with what came from here.
local function complaint(code, info)
  if code ~= 1002 or info.by ~= "peer" or info.error then return nil end
  return ("the peer says that a frame of ours broke a rule; %s"):format(
    (info.reason or "") == "" and "it does not say which" or "its close reason names it")
end

local function missing_extension(code, info)
  local sent = code == 1010 and info.sent
  if not sent or (sent.reason or "") == "" then return nil end
  return ("the server does not agree to %s; switch it on at the server or make it optional")
    :format(sent.reason)
end

-- ---------------------------------------------------------------- what the tables say

local function refused_status(status, who)
  local cure = (who == "proxy" and PROXY_CURES or STATUS_CURES)[status]
    or who == "proxy" and "check the option proxy"
    or status >= 300 and status < 400 and "raise the option redirects or use the final URL"
    or "check the URL"
  return ("the %s answered %d, which waiting does not change; %s"):format(who, status, cure)
end

-- Yes or no, and the reason for a no; the third is true for what no retry mends, however long the
-- program is willing to wait.
local function by_default(code, info, row)
  local fault = info.error or {}
  if code == 1015 or code == 1006 and fault.name == "tls" then
    local broken = fault.name ~= nil and not fault.certificate
    return broken, row_of(1015).retry_why, true
  end
  if code == 1006 then
    local why = LASTING_ERRORS[fault.name]
    if why then return false, why, fault.name == "url" end
    local status, who = status_of(info)
    if status then return RETRIED_STATUSES[status] or false, refused_status(status, who) end
  end
  if left_with_bad_code(code, info) then return true end
  local why = missing_extension(code, info) or complaint(code, info) or row.retry_why
  return row.retry, why, code == 1010
end

--- Why there is no next attempt where no policy was asked for: what no retry would mend is told
-- with its cure all the same.
---@param info table as on_close gets it
---@return string sentence
function verdict.unasked(info)
  local row = row_of(info.code)
  local would, why = by_default(info.code, info, row)
  return verdict.not_retried(info.code, would and "the option retry is not set" or why)
end

--- The form of every refusal.
---@return string
function verdict.not_retried(code, why)
  return math.floor(code) .. " " .. row_of(code).name .. " is not retried: " .. why
end

-- ---------------------------------------------------------------- what the options say

local function decided(options, code, info, attempt)
  local rule = options.decide(code, info, attempt)
  if rule ~= nil and not retry_options.is_rule(rule) then
    error("wsclose.retry: decide must return true, false, seconds, { low, high } or nil, not "
      .. checks.described(rule), 0)
  end
  return rule
end

-- A rule and where it stands; nil: they say nothing.
local function chosen(options, code, info)
  local status = status_of(info)
  if status then
    local rule, key = rule_for(options.statuses, status)
    if rule ~= nil then return rule, ("the option statuses[%s] says so"):format(key) end
  end
  local rule, key = rule_for(options.codes, code)
  if rule ~= nil then
    if type(key) == "number" then key = ("%.0f"):format(key) end
    return rule, ("the option codes[%s] says so"):format(key)
  end
end

--- A rule (true: yes; false: no; seconds or a window: yes, then), and a clause that gives the
-- reason for a no.  What decide raised comes third; it counts as if decide had said nothing.
---@return wsclose.RetryRule rule
---@return string? why
---@return any? fault { what decide raised }
function verdict.of(options, code, info, attempt)
  if closed_by_program(code, info) then
    return false, "the program closed the connection; ws:reconnect() connects anew"
  end
  local fault
  if options.decide then
    local ok, rule = pcall(decided, options, code, info, attempt)
    if not ok then
      fault = { rule }
    elseif rule ~= nil then
      return rule, "the function decide says so"
    end
  end
  local rule, why = chosen(options, code, info)
  if rule ~= nil then return rule, why, fault end
  local would, reason, for_good = by_default(code, info, row_of(code))
  return would or options.always and not for_good, reason, fault
end

-- ---------------------------------------------------------------- what keeps coming

--- What a retry does not seem to mend, though nobody can know: its name and what ends it.  These
-- are the server's own faults, codes that only its documentation explains, and what is retried
-- only because the program insists.
---@return string? name
---@return string? cure
---@return integer? row so many of them pass as usual
function verdict.lasting(code, info)
  local status, row = status_of(info), row_of(code)
  local fault = info.error or {}
  if fault.name == "eof" and fault.phase == "handshake" then
    return "an end during the handshake", "the option attempts", LASTING_ROW
  end
  if status ~= 500 and not row.in_a_row and by_default(code, info, row) then return nil end
  if status then
    return ("status %d"):format(status), ("statuses = { [%d] = false }"):format(status), LASTING_ROW
  end
  return ("%.0f %s"):format(code, row.name), ("codes = { [%.0f] = false }"):format(code),
    row.in_a_row or LASTING_ROW
end

return verdict
