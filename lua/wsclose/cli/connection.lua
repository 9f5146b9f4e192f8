--- What all commands that connect have in common: the options of the client, made of those of the
-- command line, what is told of an end, and the exit status.

local close_info = require "wsclose.close_info"
local wsclose = require "wsclose"

local connection = {}

--- The exit statuses; manual.lua tells them.
connection.OK, connection.CLOSED, connection.USAGE = 0, 1, 2
connection.REFUSED, connection.LOST, connection.EXTENSION = 3, 4, 5
connection.INTERRUPTED = 130

local IN_ORDER = { [1000] = true, [1001] = true, [1005] = true }

-- ---------------------------------------------------------------- options

local function fail(format, ...) error(format:format(...), 0) end

local function add_header(headers, line)
  local name, value = line:match "^([^:]+):[ \t]*(.-)[ \t]*$"
  if not name then fail "--header: expected 'NAME: VALUE'" end -- what was given may be a secret
  headers[#headers + 1] = { name, value }
end

local function headers_of(given)
  if not given then return nil end
  local headers = {}
  for _, word in ipairs(given) do
    local path = word:match "^@(.*)$"
    if not path then
      add_header(headers, word)
    else
      local file, fault = io.open(path)
      if not file then fail("--header: %s", fault) end
      for line in file:lines() do
        if line:find "%S" then add_header(headers, (line:gsub("\r$", ""))) end
      end
      file:close()
    end
  end
  return headers
end

-- "permessage-deflate; server_max_window_bits=12": asked for and insisted on.
local function add_required(extensions, word)
  local name, params = word:match "^%s*([^;%s]+)%s*(.*)$"
  if not name then fail("--require: expected the name of an extension, got '%s'", word) end
  local extension = { required = true }
  for param in params:gmatch "[^;%s]+" do
    local key, value = param:match "^([^=]+)=?(.*)$"
    if not key then fail("--require: expected NAME or NAME=VALUE, got '%s'", param) end
    extension.require = extension.require or {}
    table.insert(extension.require, key)
    extension[key] = value == "" or tonumber(value) or value
  end
  extensions[name] = extension
end

local function extensions_of(read)
  if not read.require and not read["no-compression"] then return nil end
  local extensions = { ["permessage-deflate"] = not read["no-compression"] and {} or false }
  for _, word in ipairs(read.require or {}) do add_required(extensions, word) end
  return extensions
end

local function resolve_of(given)
  if not given then return nil end
  local hosts = {}
  for _, word in ipairs(given) do
    local host, address = word:match "^([^:]+):(.+)$"
    if not host then fail("--resolve: expected HOST:ADDRESS, got '%s'", word) end
    hosts[host] = address
  end
  return hosts
end

local function proxy_of(given)
  if given == "none" then return false end
  return given
end

--- The options of wsclose.new; raises a sentence about the command line.
---@param read wsclose.cli.Arguments
---@return wsclose.Options
function connection.options(read)
  return {
    headers = headers_of(read.header),
    protocols = read.protocol,
    extensions = extensions_of(read),
    resolve = resolve_of(read.resolve),
    proxy = proxy_of(read.proxy),
    timeouts = { connect = read.timeout },
    tls = {
      ca_file = read.ca, cert = read.cert, key = read.key,
      verify = not read.insecure,
    },
  }
end

--- A client; raises a sentence where URL or options are wrong.
---@param url string
---@param options wsclose.Options
---@return wsclose.Client
function connection.new(url, options)
  local ok, ws, sentence = pcall(wsclose.new, url, options)
  if ok and ws then return ws end
  error((tostring(ok and sentence or ws):gsub("^%S+:%d+: ", "")), 0)
end

-- ---------------------------------------------------------------- what is shown

--- A URL without user, password and the values of its query.
---@param url string
---@return string
function connection.shown_url(url)
  local shown = close_info.shown_url(url):gsub("#.*$", "")
  return (shown:gsub("%?.*$", function(query) return (query:gsub("=[^&]*", "=…")) end))
end

--- A text in which the URL may stand, with it as it may be shown.
---@param text string
---@param url string
---@return string
function connection.without_secrets(text, url)
  local query = url:match "%?[^#]*"
  if not query then return text end
  return (text:gsub(query:gsub("%p", "%%%0"), (connection.shown_url(query):gsub("%%", "%%%%"))))
end

-- What the library advises a program to do, in words of the command line.
local ADVICE = {
  { "the option retry is not set", "; see --retry" },
  { "the program closed [^;]*; ws:reconnect%(%) connects anew", "" },
}

--- What is told of an end.
---@param info wsclose.CloseInfo
---@return string sentence
function connection.sentence(info)
  local text = tostring(info)
  for _, row in ipairs(ADVICE) do
    text = text:gsub("; %d+ [%u_]+ is not retried: " .. row[1] .. "$", row[2])
  end
  return connection.without_secrets(text, info.url or "")
end

---@param info wsclose.CloseInfo of the last attempt
---@return integer status
function connection.status(info)
  if info.code == 1010 then return connection.EXTENSION end
  if not info.opened then return connection.REFUSED end
  if info.clean and IN_ORDER[info.code] then return connection.OK end
  return info.clean and connection.CLOSED or connection.LOST
end

return connection
