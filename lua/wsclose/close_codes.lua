--- What each close code means, when a person meets it, what mends it, and whether it is retried.
-- The one place where this is written down: `wsclose.explain`, docs/close-codes.md and the defaults
-- of the retry policy all read it.  RFC 6455 7.4, the IANA WebSocket Close Code Number registry.

local close_codes = {}

---@class wsclose.CloseCode
---@field code integer the code asked for
---@field name string "GOING_AWAY"; of a range "PRIVATE", "REGISTERED", "UNASSIGNED" …
---@field summary string what it means
---@field when string when a person meets it
---@field fix string what to do about it
---@field sent_by string who may put it into a Close frame
---@field on_wire boolean may it stand in a Close frame at all
---@field retry boolean does wsclose.retry connect again by default
---@field retry_why string why, or why not
---@field about string what it is about, as compare says it
---@field outlook string how it passes, as compare says it
---@field from? integer of a range: its first code, nil without bound
---@field to? integer of a range: its last code, nil without bound
---@field first? number[] seconds: the window of the first delay, where it has one of its own
---@field first_when? string when that window holds, where it does not always
---@field exception? string when it is the other way round
---@field in_a_row? integer what comes more often than that in a row is retried more slowly

local EITHER, NOBODY = "either side", "nobody: it is only reported locally"
local NOT_SENT = "nobody: a peer that sends it breaks the protocol and is answered with 1002"
local NEVER_SENT = "it never travels; a Close frame that carries it is answered with 1002"

-- In the order of docs/close-codes.md.  A row with `from` or `to` is a range; a code with a row of
-- its own stands out of it.  Where a row does not say so, either side sends it, and it is not
-- retried: what never travels, too.
local ROWS = {
  {
    from = 0, to = 999, name = "NOT_USED",
    summary = "Below the first close code; RFC 6455 leaves these numbers unused.",
    when = "A server closes with a number of its own making, an HTTP status for instance.",
    fix = "Have the server send 1000 to 1014 or a private code from 4000 to 4999.",
    sent_by = NOT_SENT,
    about = "a number below the first close code",
    outlook = "passes when the sender uses a real one",
  },
  {
    code = 1000, name = "NORMAL",
    summary = "The conversation is over and was meant to end.",
    when = "A program is done and says so: the end of a feed, a logout, ws:close() without a code.",
    fix = "Nothing is wrong. Where a server says 1000 and you want to stay, connect again: "
      .. "retry = { codes = { [1000] = true } }, or retry = { always = true } for a feed.",
    retry_why = "the conversation was ended on purpose; codes = { [1000] = true } connects again",
    about = "a conversation that came to its end",
    outlook = "has nothing to pass",
  },
  {
    code = 1001, name = "GOING_AWAY",
    summary = "An endpoint goes away.",
    when = "A server shuts down or restarts for maintenance, or a page is left or its tab closed "
      .. "while a socket is open.",
    fix = "Let the client reconnect by itself with exponential backoff (retry = true); "
      .. "a restarting server is back after a short delay.",
    retry = true,
    retry_why = "a restarting server is back after a short delay",
    about = "a peer's life",
    outlook = "passes by waiting",
    first = { 0, 5 },
  },
  {
    code = 1002, name = "PROTOCOL_ERROR",
    summary = "One side broke the rules of the WebSocket protocol.",
    when = "A frame was malformed: a bad length, a reserved bit, a server's frame that was masked, "
      .. "a close code that may not travel, data that does not inflate. Often a proxy or a "
      .. "hand-written server.",
    fix = "Read info.error.message, or the close reason of a peer that says it of us: they name "
      .. "the rule; look at the frames with on_frame; take proxies out of the way; update the "
      .. "server's WebSocket library.",
    retry_why = "the same peers break the same rule again; info.error.message names it",
    about = "a fault in one side's protocol code",
    outlook = "never passes by retrying",
  },
  {
    code = 1003, name = "UNSUPPORTED_DATA",
    summary = "A message of a kind came that its receiver does not take.",
    when = "Binary was sent to a server that takes text only, or the other way round.",
    fix = 'Send the other kind: ws:send(data, "text") or ws:send(data, "binary").',
    retry_why = "the same message is refused again; send the kind that the peer takes",
    about = "the kind of data a program sends",
    outlook = "never passes by retrying",
  },
  {
    code = 1004, name = "RESERVED",
    summary = "Reserved; its meaning was never defined.",
    when = "A server uses a number without looking it up.",
    fix = "Have the server send 1000 to 1003, 1007 to 1014 or a private code from 4000 to 4999.",
    sent_by = NOT_SENT,
    about = "a number without a meaning",
    outlook = "passes when the sender uses a real one",
  },
  {
    code = 1005, name = "NO_STATUS",
    summary = "The peer's Close frame carried no code.",
    when = "The peer closed with an empty Close frame, as many libraries do when close() is called "
      .. "without a code.",
    fix = "Have the server name a code, so that you can tell a goodbye from a fault.",
    sent_by = NOBODY,
    retry = true,
    retry_why = "nothing says that the peer wants us gone, and a new connection finds out",
    about = "a goodbye without a reason",
    outlook = "usually passes by connecting again",
    exception = "not when this client closed",
  },
  {
    code = 1006, name = "ABNORMAL",
    summary = "The connection ended, or never came about, without a Close frame.",
    when = "The network broke, the server's process died, a proxy cut an idle connection, a name "
      .. "was not found, or the server refused the handshake.",
    fix = "Read info.error and info.http: they name the phase and the cause. Against idle timeouts "
      .. "of proxies set keepalive below them.",
    sent_by = NOBODY,
    retry = true,
    retry_why = "networks and processes come back; a handshake that fails for good is not retried",
    about = "a connection that was lost or never came about",
    outlook = "usually passes by connecting again",
    exception = "not when the handshake fails for good",
    -- What most servers and proxies look like when they restart, and every killed process.
    first = { 0, 2 },
    first_when = "of a connection that was open",
  },
  {
    code = 1007, name = "INVALID_PAYLOAD",
    summary = "A message's bytes do not fit its type: text that is not UTF-8.",
    when = "Binary data or text in another encoding (Latin-1, UTF-16) was sent as text.",
    fix = 'Send it as binary, ws:send(data, "binary"), or convert it to UTF-8 first.',
    retry_why = "the same bytes are refused again; send them as binary or convert them to UTF-8",
    about = "the encoding of a text",
    outlook = "never passes by retrying",
  },
  {
    code = 1008, name = "POLICY_VIOLATION",
    summary = "A message or a client breaks the server's rules.",
    when = "A token is missing or expired, a rate limit is passed, an Origin is not allowed; the "
      .. "code for every refusal that has none of its own.",
    fix = "Read the close reason and the server's documentation; renew the token in before_connect "
      .. "or send less.",
    retry_why = "the server's rule stays; the close reason says which one, often an expired token",
    about = "the server's rules",
    outlook = "never passes by retrying",
  },
  {
    code = 1009, name = "MESSAGE_TOO_BIG",
    summary = "A message is larger than its receiver takes.",
    when = "A message passed the server's limit, or one from it passed limits.message here.",
    fix = "Send less at a time, or raise the server's limit or limits.message here.",
    retry_why = "the same message is too big again; send less at a time or raise the limit",
    about = "the size of a message",
    outlook = "never passes by retrying",
  },
  {
    code = 1010, name = "MANDATORY_EXTENSION",
    summary = "The client ends the connection: the server's answer lacks an extension it needs.",
    when = "A client requires an extension (permessage-deflate, say) and the server did not put it "
      .. "into its answer.",
    fix = "Switch the extension on at the server (look at Sec-WebSocket-Extensions in the answer; "
      .. "proxies pass it on as a rule), or make it optional in the client.",
    sent_by = "the client",
    retry_why = "the server does not agree to an extension that the client requires; "
      .. "switch it on at the server or make it optional",
    about = "configuration",
    outlook = "never passes by retrying",
  },
  {
    code = 1011, name = "INTERNAL_ERROR",
    summary = "An endpoint met a fault of its own and cannot go on.",
    when = "The server's program raised an error or a service behind it failed. This client sends "
      .. "it when memory is short or a pong stays away.",
    fix = "Look into the server's log at the time of the close.",
    retry = true,
    retry_why = "many faults pass, and one that does not is met ever more seldom",
    about = "a fault inside one endpoint",
    outlook = "often passes within a few retries",
    in_a_row = 5,
  },
  {
    code = 1012, name = "SERVICE_RESTART",
    summary = "The server restarts.",
    when = "A deployment or a planned restart.",
    fix = "Let the client reconnect by itself (retry = true); the first delay is up to 15 s, so "
      .. "that not all clients come back at once.",
    sent_by = "the server",
    retry = true,
    retry_why = "a restarting server is back soon, and its clients should not come all at once",
    about = "a planned restart",
    outlook = "passes by waiting",
    first = { 0, 15 },
  },
  {
    code = 1013, name = "TRY_AGAIN_LATER",
    summary = "The server has too much to do at the moment.",
    when = "A server under load sends some of its clients away.",
    fix = "Wait, and prefer another address of the host; retry = true does both.",
    sent_by = "the server",
    retry = true,
    retry_why = "load passes; the client waits 10 seconds or more and takes another address first",
    about = "a server under load",
    outlook = "passes by waiting longer",
    first = { 10, 30 },
  },
  {
    code = 1014, name = "BAD_GATEWAY",
    summary = "A gateway got no good answer from the server behind it; HTTP's 502.",
    when = "A load balancer or reverse proxy lost its backend.",
    fix = "Let the client reconnect (retry = true); if it lasts, look at the gateway's log and at "
      .. "the backend's health.",
    sent_by = "the server",
    retry = true,
    retry_why = "the gateway finds its backend again once that is up",
    about = "the way between a gateway and its backend",
    outlook = "usually passes by connecting again",
  },
  {
    code = 1015, name = "TLS_HANDSHAKE",
    summary = "TLS could not be set up, so that no connection came about.",
    when = "A certificate is expired, self-signed, of an unknown authority or for another host; or "
      .. "the transport broke while TLS was being set up.",
    fix = "Read info.error.message, which names the certificate's fault. Mend the certificate, or "
      .. "give the authority with tls = { ca_file = … }.",
    sent_by = NOBODY,
    retry_why = "a certificate or host name stays wrong until someone mends it; only a transport "
      .. "that broke during the TLS handshake is tried again",
    about = "trust in the server's certificate, or TLS itself",
    outlook = "passes by retrying only when the transport broke",
    exception = "yes when the transport broke",
  },
  {
    from = 1016, to = 2999, name = "UNASSIGNED",
    summary = "Kept for later versions of the protocol and for extensions; none is assigned.",
    when = "A server invented a code in the range that the protocol keeps for itself.",
    fix = "Have the server use a private code from 4000 to 4999.",
    sent_by = NOT_SENT,
    about = "a number kept for the protocol",
    outlook = "passes when the sender uses a private code",
  },
  {
    code = 3000, name = "UNAUTHORIZED",
    summary = "The server does not know who the client is; HTTP's 401.",
    when = "A token, cookie or password is missing, wrong or expired.",
    fix = "Log in anew and give the fresh token in before_connect.",
    sent_by = "the server",
    retry_why = "the same credentials are refused again; give fresh ones in before_connect",
    about = "missing or stale credentials",
    outlook = "never passes by retrying with the same ones",
  },
  {
    code = 3003, name = "FORBIDDEN",
    summary = "The server knows the client and does not let it in; HTTP's 403.",
    when = "The account lacks a right, or a channel is closed to it.",
    fix = "Have the right granted, or connect as someone who has it.",
    sent_by = "the server",
    retry_why = "the right is missing until someone grants it",
    about = "a missing right",
    outlook = "never passes by retrying",
  },
  {
    code = 3008, name = "TIMEOUT",
    summary = "The server waited too long for something from the client; HTTP's 408.",
    when = "A login, a subscription or a heartbeat of the server's own protocol came too late.",
    fix = "Send what the server waits for sooner; look for its heartbeat in its documentation.",
    sent_by = "the server",
    retry = true,
    retry_why = "a late answer is seldom late twice",
    about = "a client that was too slow",
    outlook = "usually passes by connecting again",
  },
  {
    from = 3001, to = 3999, name = "REGISTERED",
    summary = "A code for libraries and frameworks, registered with IANA; this one has no entry.",
    when = "The server's framework uses it.",
    fix = "Look it up in the framework's documentation; retry = { codes = { [code] = false } } if "
      .. "waiting does not help.",
    retry = true,
    retry_why = "its meaning is the framework's own; codes decides where you know better",
    about = "whatever a framework means by it",
    outlook = "may pass by connecting again",
  },
  {
    from = 4000, to = 4999, name = "PRIVATE",
    summary = "A private code: it means what server and client agree on.",
    when = "The server's own protocol says so; there is no common list.",
    fix = "Look it up in the server's documentation, and tell the policy: "
      .. "retry = { codes = { [4001] = false, [4002] = { 20, 40 } } }.",
    retry = true,
    in_a_row = 5,
    retry_why = "only the server's documentation knows; codes = { [4001] = false } decides",
    about = "whatever this server means by it",
    outlook = "passes as its documentation says",
  },
  {
    from = 5000, name = "OUT_OF_RANGE",
    summary = "Above the last close code, 4999.",
    when = "A server closes with a number of its own making.",
    fix = "Have the server use a private code from 4000 to 4999.",
    sent_by = NOT_SENT,
    about = "a number above the last close code",
    outlook = "passes when the sender uses a real one",
  },
  {
    to = -1, name = "OUT_OF_RANGE",
    summary = "Not a close code: codes are numbers from 0 to 65535.",
    when = "A program made the number up or subtracted wrongly.",
    fix = "Use 1000 to say goodbye, or a code of your own from 4000 to 4999.",
    sent_by = "nobody: two bytes cannot hold it",
    retry_why = "no connection ends with it",
    about = "a number that is no close code",
    outlook = "passes when the program uses a real one",
  },
}

local by_code, ranges = {}, {}

--- `codes.GOING_AWAY == 1001`, `codes[1001] == "GOING_AWAY"`; ranges have no entry.
---@type table<string|integer, integer|string>
close_codes.codes = {}

for _, row in ipairs(ROWS) do
  row.sent_by = row.sent_by or EITHER
  row.on_wire = not row.sent_by:find "^nobody"
  row.retry, row.retry_why = row.retry or false, row.retry_why or NEVER_SENT
  if row.code then
    by_code[row.code] = row
    close_codes.codes[row.name] = row.code
    close_codes.codes[row.code] = row.name
  else
    ranges[#ranges + 1] = row
  end
end

--- The row itself, for those who change nothing in it: the policy asks at every failure.
---@param code integer
---@return wsclose.CloseCode row without `code` where it is a range's
function close_codes.row_of(code)
  if by_code[code] then return by_code[code] end
  for _, row in ipairs(ranges) do
    if code >= (row.from or -math.huge) and code <= (row.to or math.huge) then return row end
  end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local fresh = {}
  for key, field in pairs(value) do
    fresh[key] = copy(field)
  end
  return fresh
end

local Entry = {}

--- "1001 GOING_AWAY", the same under every Lua (never "1001.0").
---@param entry wsclose.CloseCode
---@return string
local function title(entry)
  return ("%.0f %s"):format(entry.code, entry.name)
end

function Entry:__tostring()
  return title(self) .. ": " .. self.summary
end

local function not_an_integer(value)
  if type(value) ~= "number" then return "a " .. type(value) end
  local finite = value - value == 0
  if not finite or value ~= math.floor(value) then return tostring(value) end
end

--- What a close code means, when a person meets it, how to mend it, whether it is retried.
---@param code integer any integer; ranges have an entry too.  Anything else raises.
---@return wsclose.CloseCode entry a table of the caller's own; tostring gives its first line
function close_codes.explain(code)
  local given = not_an_integer(code)
  if given then error("wsclose.explain: code must be an integer, not " .. given, 2) end
  local entry = copy(close_codes.row_of(code))
  entry.code = math.floor(code)
  return setmetatable(entry, Entry)
end

local function stand(entry)
  return ("%s is about %s and %s"):format(title(entry), entry.about, entry.outlook)
end

--- Two codes side by side.
---@param a integer
---@param b integer
---@return wsclose.CloseCode entry_a
---@return wsclose.CloseCode entry_b
---@return string difference one line that says how they differ
function close_codes.compare(a, b)
  for _, code in ipairs { { "first", a }, { "second", b } } do
    local given = not_an_integer(code[2])
    if given then
      error(("wsclose.compare: the %s code must be an integer, not %s"):format(code[1], given), 2)
    end
  end
  local one, other = close_codes.explain(a), close_codes.explain(b)
  if one.about == other.about then
    local line = "%s and %s do not differ by themselves: each is about %s and %s."
    return one, other, line:format(title(one), title(other), one.about, one.outlook)
  end
  return one, other, stand(one) .. "; " .. stand(other) .. "."
end

--- Every row in the order of the documentation: single codes and ranges.
---@return wsclose.CloseCode[] rows copies; a range has `from` and `to` and no `code`
function close_codes.rows()
  return copy(ROWS)
end

return close_codes
