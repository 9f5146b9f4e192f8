--- What check.lua found, for people: one function for each section, from its values to lines.

local report = {}

local NAMES_SHOWN = 8
local SOON = 21 -- days
local DAY = 86400

-- What a client of wsclose waits for the server to close TCP: timeouts.linger.
local LINGER_DEFAULT = 2

local function milliseconds(seconds)
  local number = seconds * 1000
  return (number < 10 and "%.2f ms" or "%.0f ms"):format(number)
end

local function row(label, time, text)
  local line = ("%-11s %10s   %s"):format(label, time or "", text)
  return (line:gsub("%s+$", "")) .. "\n"
end

local function more(text) return row("", nil, text) end

local function range(low, high)
  if high - low < 0.001 then return ("%.3g s"):format(low) end
  return ("%.3g to %.3g s"):format(low, high)
end

-- What a program with the option `retry` does.
local function advice(failure)
  local window = failure.retry_window
  if window then return row("retry", nil, "yes, after " .. range(window[1], window[2])) end
  return row("retry", nil, "no: " .. failure.retry_refused:gsub("^%d+ [%u_]+ is not retried: ", ""))
end

-- ---------------------------------------------------------------- the way there

local LABELS = { dns = "name", tcp = "TCP", proxy = "proxy", tls = "TLS", handshake = "handshake" }

local function names_of(certificate)
  local names, shown = certificate.names, {}
  for i = 1, math.min(#names, NAMES_SHOWN) do shown[i] = names[i] end
  local text = table.concat(shown, ", ")
  if #names > NAMES_SHOWN then text = ("%s and %d more"):format(text, #names - NAMES_SHOWN) end
  return text == "" and "no name" or text
end

local function tls_text(tls)
  local words = { tls.version, tls.cipher }
  words[3] = tls.group
  return table.concat(words, ", ")
end

local function certificate_lines(certificate)
  local days = math.floor((certificate.not_after - os.time()) / DAY)
  local last = os.date("!%Y-%m-%d", certificate.not_after)
  local warning = days < 0 and ": it is over" or days < SOON and ": renew it soon" or ""
  return more(("certificate %s for %s"):format(certificate.subject, names_of(certificate)))
    .. more(("its last day is %s, in %d days%s"):format(last, days, warning))
end

local TEXTS = {
  dns = function(value) return "found " .. (value.address or "no address") end,
  tcp = function(value)
    local port = value.port or 0
    return value.address and (port > 0 and value.address .. " port " .. port or value.address)
      or "connected"
  end,
  proxy = function() return "the tunnel is open" end,
  tls = function(value) return value.tls and tls_text(value.tls) or "open" end,
  handshake = function(value)
    return value.protocol and "open, with the subprotocol " .. value.protocol or "open"
  end,
}

function report.phases(value)
  local lines, failure = {}, value.failure
  for i, phase in ipairs(value.phases) do
    local failed = failure and i == #value.phases
    local text = failed and "FAILED: " .. failure.message or TEXTS[phase.name](value)
    lines[#lines + 1] = row(LABELS[phase.name] or phase.name, milliseconds(phase.seconds), text)
    if phase.name == "tls" and not failed and value.tls and value.tls.certificate then
      lines[#lines + 1] = certificate_lines(value.tls.certificate)
    end
    if failed then lines[#lines + 1] = advice(failure) end
  end
  return table.concat(lines)
end

function report.request(lines)
  return "request\n  " .. table.concat(lines, "\n  ") .. "\n"
end

function report.answer(value)
  local lines = { "answer", "  HTTP/1.1 " .. value.status }
  for _, header in ipairs(value.headers) do
    lines[#lines + 1] = ("  %s: %s"):format(header[1], (header[2]:gsub("%c", "?")))
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---------------------------------------------------------------- the open connection

function report.round_trip(value)
  if value.count == 0 then return row("round trip", nil, "FAILED: no pong came") end
  return row("round trip", milliseconds(value.median), ("of %d pings, %s to %s"):format(
    value.count, milliseconds(value.least), milliseconds(value.most)))
end

local function count(number, word)
  return ("%d %s%s"):format(number, word, number == 1 and "" or "s")
end

function report.idle(value)
  local time = ("%.1f s"):format(value.seconds)
  local came = count(value.pings, "ping") .. " and " .. count(value.messages, "message") .. " came"
  if not value.failure then return row("idle", time, came .. "; the connection lasts") end
  return row("idle", time, ("FAILED: %s; %s"):format(value.failure.message, came))
    .. more(("keepalive = { interval = %d } would keep it alive"):format(
      math.max(1, math.floor(value.seconds / 2))))
    .. advice(value.failure)
end

local function tcp_text(value)
  if not value.tcp then
    return ("the server does not close TCP within %g s: the client does"):format(value.waited)
  end
  local text = "the server closes TCP first, " .. milliseconds(value.tcp) .. " later"
  if value.tcp <= LINGER_DEFAULT then return text end
  return ("%s: a client that waits %g s (timeouts.linger) closes before it"):format(
    text, LINGER_DEFAULT)
end

function report.closing(value)
  if not value.code then
    return row("closing", nil, "FAILED: " .. value.failure.message) .. advice(value.failure)
  end
  return row("closing", milliseconds(value.seconds), ("the server answers with Close %d"):format(
    value.code)) .. more(tcp_text(value))
end

-- ---------------------------------------------------------------- extensions

local function extension_line(value)
  local text
  if value.agreed then
    text = "agreed: " .. (value.answer or "")
  elseif value.failure.code == 1010 then
    text = "not agreed: a program that requires it ends with 1010"
  else
    text = "FAILED: " .. value.failure.message
  end
  return ("  %-28s %s\n"):format(value.asked, text)
end

function report.extensions(rows)
  local lines, missing = { "extensions\n" }, nil
  for _, value in ipairs(rows) do
    lines[#lines + 1] = extension_line(value)
    missing = missing or not value.agreed and value.failure
  end
  if missing then lines[#lines + 1] = advice(missing) end
  return table.concat(lines)
end

return report
