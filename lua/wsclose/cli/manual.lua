--- What the command line understands, and what --help and the manual page say of it: one text.

local manual = {}

---@class wsclose.cli.Option
---@field long string without "--"
---@field short? string without "-"
---@field argument? string what follows it; nil: nothing
---@field text string
---@field commands string "talk check": where it may stand
---@field many? boolean may be given several times
---@field kind? "seconds"

---@type wsclose.cli.Option[]
manual.options = {
  {
    long = "header", short = "H", argument = "'NAME: VALUE'", commands = "talk check", many = true,
    text = "A header of the request. @FILE: one header on each line of the file, out of sight of "
      .. "those who list processes.",
  },
  {
    long = "protocol", argument = "NAME", commands = "talk check", many = true,
    text = "A subprotocol, the most wanted first; the server must choose one of them.",
  },
  {
    long = "require", argument = "EXTENSION", commands = "talk check", many = true,
    text = "The server must agree to this extension, or the end is 1010; with a parameter: "
      .. "'permessage-deflate; server_no_context_takeover'.",
  },
  {
    long = "no-compression", commands = "talk check",
    text = "Does not offer permessage-deflate.",
  },
  {
    long = "ca", argument = "FILE", commands = "talk check",
    text = "The authorities to trust, in PEM, in the place of the system's.",
  },
  {
    long = "cert", argument = "FILE", commands = "talk check",
    text = "This client's certificate, in PEM.",
  },
  {
    long = "key", argument = "FILE", commands = "talk check",
    text = "Its key; not needed where --cert has it.",
  },
  {
    long = "insecure", short = "k", commands = "talk check",
    text = "Checks neither certificate nor host name: anybody between can read and change all.",
  },
  {
    long = "proxy", argument = "URL", commands = "talk check",
    text = "An http://, https:// or socks5h:// proxy; none: no proxy, whatever the environment "
      .. "says.",
  },
  {
    long = "resolve", argument = "HOST:ADDRESS", commands = "talk check", many = true,
    text = "The address of a host, in the place of what its name resolves to.",
  },
  {
    long = "timeout", argument = "SECONDS", commands = "talk check", kind = "seconds",
    text = "For all that it takes to be open (10).",
  },
  {
    long = "binary", short = "b", commands = "talk",
    text = "Standard input is sent in binary messages as it comes, not line by line; what is "
      .. "received is written byte for byte.",
  },
  {
    long = "json", commands = "talk check",
    text = "One JSON object for each event, on a line of its own: open, message, ping, pong, "
      .. "close. With check: one object with all of the report.",
  },
  {
    long = "exec", short = "x", argument = "TEXT", commands = "talk", many = true,
    text = "Sends this text when the connection is open. Standard input is not read.",
  },
  {
    long = "one", short = "1", commands = "talk",
    text = "Ends with the first message that comes.",
  },
  {
    long = "wait", short = "w", argument = "SECONDS", commands = "talk", kind = "seconds",
    text = "Goes on receiving so long after the end of standard input, or after --exec; inf: "
      .. "until the server closes.",
  },
  {
    long = "retry", short = "r", commands = "talk",
    text = "Connects again, as the retry policy of wsclose says: with backoff, and not where it "
      .. "would be in vain.",
  },
  {
    long = "max-delay", argument = "SECONDS", commands = "talk", kind = "seconds",
    text = "With --retry: how long it waits between two attempts at most (40).",
  },
  {
    long = "ping", argument = "SECONDS", commands = "talk", kind = "seconds",
    text = "Pings after so long without a byte from the server (20); 0: never.",
  },
  {
    long = "quiet", short = "q", commands = "talk",
    text = "Says nothing on standard error but what is wrong with the command line.",
  },
  {
    long = "idle", argument = "SECONDS", commands = "check", kind = "seconds",
    text = "How long check stays silent to see whether the connection lasts (0).",
  },
  { long = "help", short = "h", commands = "all", text = "Prints this and ends." },
  { long = "version", short = "V", commands = "all", text = "Prints the version and ends." },
}

---@type {name: string, usage: string, text: string}[]
manual.commands = {
  {
    name = "talk", usage = "[OPTION…] URL",
    text = "Connects and talks: each line of standard input is sent as a text message, each "
      .. "message that comes is written on a line. At the end of standard input, Ctrl-D on a "
      .. "terminal, it closes with 1000 once all has left; Ctrl-C says 1001 and ends at once. The "
      .. "end is told in one sentence on standard error. On a terminal lines can be edited and "
      .. "recalled where rlwrap is installed.",
  },
  {
    name = "check", usage = "check [OPTION…] URL",
    text = "The doctor: how long each phase of connecting takes and what it finds, both heads of "
      .. "the handshake, which extensions and parameters the server agrees to, the round-trip "
      .. "time, how idle time and the closing handshake go, and what the retry policy makes of "
      .. "each failure.",
  },
  {
    name = "explain", usage = "explain CODE",
    text = "What a close code means, when it is met, how to mend it, whether it is retried.",
  },
  {
    name = "compare", usage = "compare CODE CODE",
    text = "Two close codes side by side, and how they differ.",
  },
  {
    name = "serve", usage = "serve [PORT]",
    text = "An echo server on 127.0.0.1 to try things against, on port 9001 or a free one (0). "
      .. "The text messages \"close CODE REASON\" and \"drop\" make it end the connection. It "
      .. "needs LuaSocket.",
  },
}

---@type {status: integer, text: string}[]
manual.statuses = {
  { status = 0, text = "Closed in order: the closing handshake, with 1000, 1001 or no code." },
  {
    status = 1,
    text = "Closed with another code, a message could not be sent, or none came for --one.",
  },
  { status = 2, text = "The command line is wrong; nothing was done." },
  { status = 3, text = "Refused: it was never open. The sentence tells in which phase, and why." },
  { status = 4, text = "Lost: it was open and ended without a closing handshake." },
  { status = 5, text = "1010: the server does not agree to an extension that --require names." },
  { status = 130, text = "Ended by Ctrl-C." },
}

local DESCRIPTION = [[
wsclose is a WebSocket client that always says why a connection closed and what to do next.
URL is ws://, wss://, ws+unix:// or wss+unix://. Passwords in URLs, the values of queries and those
of headers given with -H are never printed.]]

local ENVIRONMENT = [[
wss_proxy, https_proxy, http_proxy, all_proxy and no_proxy name a proxy where --proxy does not;
SSL_CERT_FILE and SSL_CERT_DIR the authorities where --ca does not.]]

local EXAMPLES = {
  { "wsclose wss://feed.example/v1", "talks" },
  { "wsclose -x '{\"op\":\"time\"}' --one wss://feed.example/v1", "asks and prints one answer" },
  { "tar c . | wsclose --binary wss://backup.example/in", "sends bytes as they are" },
  { "wsclose check --idle 60 wss://feed.example/v1", "looks a server over" },
  { "wsclose explain 1006", "says what a close code means" },
}

--- The options that a command takes.
---@param command string
---@return wsclose.cli.Option[]
function manual.options_of(command)
  local list = {}
  for _, option in ipairs(manual.options) do
    if option.commands == "all" or option.commands:find(command, 1, true) then
      list[#list + 1] = option
    end
  end
  return list
end

local function spelling(option)
  local name = (option.short and "-" .. option.short .. ", " or "") .. "--" .. option.long
  return option.argument and name .. " " .. option.argument or name
end

-- The parts in their order: a heading, and paragraphs (strings) and pairs of a term and its text.
local function sections(version)
  local synopsis, commands, options, statuses, examples = {}, {}, {}, {}, {}
  for i, command in ipairs(manual.commands) do
    synopsis[i] = { "wsclose " .. command.usage }
    commands[i] = { "wsclose " .. command.usage, command.text }
  end
  for i, option in ipairs(manual.options) do
    local only = option.commands == "talk" and " Not with check."
      or option.commands == "check" and " With check." or ""
    options[i] = { spelling(option), option.text .. only }
  end
  for i, row in ipairs(manual.statuses) do statuses[i] = { tostring(row.status), row.text } end
  for i, row in ipairs(EXAMPLES) do examples[i] = row end
  return {
    { "NAME", "wsclose - a WebSocket client that always knows why a connection closed" },
    { "SYNOPSIS", synopsis },
    { "DESCRIPTION", (DESCRIPTION:gsub("\n", " ")) },
    { "COMMANDS", commands },
    { "OPTIONS", options },
    { "EXIT STATUS", statuses },
    { "ENVIRONMENT", (ENVIRONMENT:gsub("\n", " ")) },
    { "EXAMPLES", examples },
    { "VERSION", version },
  }
end

-- ---------------------------------------------------------------- as plain text

local WIDTH = 79

local function wrapped(text, indent, lines)
  local line = indent
  for word in text:gmatch "%S+" do
    if #line + #word + 1 > WIDTH and line ~= indent then
      lines[#lines + 1], line = line, indent
    end
    line = line == indent and line .. word or line .. " " .. word
  end
  lines[#lines + 1] = line
end

--- For --help.
---@param version string
---@return string
function manual.help(version)
  local lines = {}
  for _, section in ipairs(sections(version)) do
    lines[#lines + 1] = section[1]
    local body = section[2]
    if type(body) == "string" then
      wrapped(body, "  ", lines)
    else
      for _, pair in ipairs(body) do
        lines[#lines + 1] = "  " .. pair[1]
        if pair[2] then wrapped(pair[2], "      ", lines) end
      end
    end
    lines[#lines + 1] = ""
  end
  lines[#lines] = nil
  return table.concat(lines, "\n") .. "\n"
end

-- ---------------------------------------------------------------- as a manual page

local function roff(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("…", "..."):gsub("^(['.])", "\\&%1"))
end

--- In the language of man(7); the same text gives the same bytes.
---@param version string
---@return string
function manual.page(version)
  local lines = { ('.TH WSCLOSE 1 "" "%s" "User Commands"'):format(roff(version)) }
  for _, section in ipairs(sections(version)) do
    lines[#lines + 1] = ".SH " .. section[1]
    local body = section[2]
    if type(body) == "string" then
      lines[#lines + 1] = roff(body)
    else
      for _, pair in ipairs(body) do
        lines[#lines + 1] = pair[2] and ".TP" or ".PP"
        lines[#lines + 1] = ".B " .. roff(pair[1])
        if pair[2] then lines[#lines + 1] = roff(pair[2]) end
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return manual
