--- The options of a client or protocol object: checked, and brought into the one shape that
-- wsclose.core reads.  Each rule stands here, or in the core where it is about the wire (header
-- names, extension parameters, URLs); the defaults stand in the core alone.

local core = require "wsclose.core"
local retry = require "wsclose.retry"

local options = {}

---@class wsclose.Timeouts seconds; 0 or math.huge: no limit
---@field connect? number all phases until open (10)
---@field dns? number name resolution (5)
---@field tls? number TLS handshake (5)
---@field handshake? number WebSocket handshake (5)
---@field close? number closing handshake, from close() on (5)
---@field linger? number for the server to close TCP first (2); 0: not at all

---@class wsclose.Keepalive
---@field interval? number seconds without a byte from the peer before a ping (20)
---@field timeout? number seconds without a byte after it before the connection is given up (20)

---@class wsclose.Limits whole numbers of at least 1
---@field message? integer bytes of a message, inflated (16 MiB)
---@field frame? integer bytes of a frame on the wire (16 MiB)
---@field fragments? integer frames of one message (65536)
---@field header? integer bytes of the handshake answer's head (16 KiB)
---@field send_queue? integer bytes that may wait for the network (16 MiB)

---@class wsclose.Extension further keys are parameters: true (bare), a string or a number
---@field name? string in a list of extensions
---@field required? boolean an answer without it ends the connection with 1010
---@field require? string[] parameters that the answer must carry, else 1010
---@field client_no_context_takeover? boolean permessage-deflate, as all below
---@field server_no_context_takeover? boolean
---@field client_max_window_bits? boolean|integer true: named without value (default); 8 to 15
---@field server_max_window_bits? integer 8 to 15
---@field level? integer zlib's, 0 to 9
---@field mem_level? integer zlib's, 1 to 9
---@field threshold? integer bytes; shorter messages go uncompressed

---@class wsclose.Tls
---@field verify? boolean false: neither certificate nor host name is checked (true)
---@field ca_file? string
---@field ca_path? string
---@field ca? string PEM text
---@field cert? string file name or PEM text of the client's certificate
---@field key? string file name or PEM text of its key
---@field password? string of the key
---@field server_name? string the name asked for and checked; default: the URL's host
---@field ciphers? string OpenSSL's list
---@field min_version? "1.2"|"1.3"|number
---@field pin? string|string[] SHA-256 of the key's SubjectPublicKeyInfo, base64 or hex
---@field alpn? string|false false: none
---@field keylog_file? string
---@field session_cache? integer|boolean sessions kept for resumption

---@class wsclose.Outbox
---@field bytes? integer what may be kept at most (1 MiB)
---@field ttl? number seconds after which a kept message is dropped (none)

---@class wsclose.Options
---@field protocols? string[]|string subprotocols, most wanted first
---@field require_protocol? boolean false: an answer without one is fine (true)
---@field headers? table<string, string|number>|string[][] map, or list of {name, value}
---@field extensions? table<string, wsclose.Extension|boolean>|wsclose.Extension[]
---@field retry? boolean|wsclose.RetryOptions|wsclose.RetryPolicy
---@field timeouts? wsclose.Timeouts
---@field keepalive? wsclose.Keepalive|boolean false: no pings
---@field limits? wsclose.Limits
---@field tls? wsclose.Tls
---@field proxy? string|false URL; false: none; nil: as the environment says
---@field redirects? integer how many to follow (0)
---@field outbox? wsclose.Outbox|boolean what send keeps while not open
---@field max_messages? integer that one update gives; the rest waits for the next (no limit)
---@field max_time? number seconds after which an update gives no more events, but one (no limit)
---@field bind? string numeric local address
---@field resolve? table<string, string|string[]> host -> addresses
---@field family? 4|6
---@field nodelay? boolean (true)
---@field clock? fun(): number monotonic seconds, for every deadline
---@field random_bytes? fun(n: integer): string n unpredictable bytes
---@field trace? boolean give frames to on_frame, though it is not among the options
---@field on_open? fun(ws: wsclose.Client, info: wsclose.Info)
---@field on_message? fun(ws: wsclose.Client, data: string, kind: "text"|"binary")
---@field on_close? fun(ws: wsclose.Client, code: integer, reason: string, info: wsclose.CloseInfo)
---@field on_retry? fun(ws: wsclose.Client, delay: number, info: wsclose.CloseInfo)
---@field before_connect? fun(ws: wsclose.Client, attempt: integer): table?, string?
---@field on_ping? fun(ws: wsclose.Client, data: string)
---@field on_pong? fun(ws: wsclose.Client, data: string, rtt?: number)
---@field on_drain? fun(ws: wsclose.Client)
---@field on_frame? fun(ws: wsclose.Client, direction: "in"|"out", frame: wsclose.Frame)

-- ---------------------------------------------------------------- saying what is wrong

local function described(value)
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return type(value)
end

-- Caught in options.read, which gives the sentence to its caller.
local function fail(path, expected, value, shown)
  local line = "option '%s': expected %s, got %s"
  error(line:format(path, expected, shown or described(value)), 0)
end

local function fail_with(path, sentence)
  error(("option '%s': %s"):format(path, sentence), 0)
end

-- How many letters must be changed, added or dropped to make `b` of `a`.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local best = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(best, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

local function nearest(name, known)
  local best, least
  for candidate in pairs(known) do
    local changes = distance(name:lower(), candidate)
    if not least or changes < least or changes == least and candidate < best then
      best, least = candidate, changes
    end
  end
  return best
end

local function fail_unknown(prefix, name, known)
  if type(name) ~= "string" then
    error(("option %s%s: expected a name, got %s"):format(prefix, tostring(name), type(name)), 0)
  end
  error(("unknown option '%s%s'; did you mean '%s%s'?"):format(
    prefix, name, prefix, nearest(name, known)), 0)
end

-- ---------------------------------------------------------------- kinds of values

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and type(meta.__call) == "function"
end

local function callable(path, value)
  if not is_callable(value) then fail(path, "a function", value) end
  return value
end

local function boolean(path, value)
  if type(value) ~= "boolean" then fail(path, "true or false", value) end
  return value
end

local function seconds(path, value)
  -- not a number is neither
  if type(value) ~= "number" or value ~= value or value < 0 then
    fail(path, "seconds >= 0", value)
  end
  return value
end

local function whole(low, high)
  local expected = ("a whole number >= %d"):format(low)
  if high then expected = ("a whole number from %d to %d"):format(low, high) end
  return function(path, value)
    local good = type(value) == "number" and value >= low and value <= (high or 2 ^ 53)
    if not good or value % 1 ~= 0 then fail(path, expected, value) end
    return value
  end
end

local function contains_any(text, bytes)
  for byte in bytes:gmatch "." do
    if text:find(byte, 1, true) then return true end
  end
  return text:find("\0", 1, true) ~= nil
end

local function text(path, value)
  if type(value) ~= "string" then fail(path, "a string", value) end
  if contains_any(value, "") then fail_with(path, "must not hold NUL") end
  return value
end

local function line(path, value)
  text(path, value)
  if contains_any(value, "\r\n") then fail_with(path, "must not hold CR or LF") end
  return value
end

local function list_of_lines(path, value)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then fail(path, "a list of strings", value) end
  local lines = {}
  for key in pairs(value) do
    if type(key) ~= "number" then fail(path, "a list", nil, "the key " .. tostring(key)) end
  end
  for i = 1, #value do
    lines[i] = line(("%s[%d]"):format(path, i), value[i])
  end
  return lines
end

-- A table of named fields; `fields` has a checker for each name.
local function group(fields)
  return function(path, value)
    if type(value) ~= "table" then fail(path, "a table", value) end
    local checked = {}
    for name, field in pairs(value) do
      local check = fields[name]
      if not check then fail_unknown(path .. ".", name, fields) end
      checked[name] = check(path .. "." .. name, field)
    end
    return checked
  end
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function need_string_keys(path, map)
  for key in pairs(map) do
    if type(key) ~= "string" then fail(path, "names as keys", nil, "the key " .. tostring(key)) end
  end
end

-- ---------------------------------------------------------------- headers and protocols

local function add_header(path, flat, name, value)
  if type(name) ~= "string" then fail(path, "a header name", name) end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then fail(path .. "." .. name, "a string", value) end
  local ok, sentence = core.check_header(name, value)
  if not ok then fail_with(path .. "." .. name, sentence) end
  flat[#flat + 1] = name
  flat[#flat + 1] = value
end

-- Flat: name, value, name, value; a map in alphabetical order, so that every run sends the same.
local function headers(path, value)
  if type(value) ~= "table" then fail(path, "a table", value) end
  local flat = {}
  if value[1] ~= nil then
    for i, pair in ipairs(value) do
      if type(pair) ~= "table" then fail(("%s[%d]"):format(path, i), "{name, value}", pair) end
      add_header(path, flat, pair[1], pair[2])
    end
    return flat
  end
  need_string_keys(path, value)
  for _, name in ipairs(sorted_keys(value)) do
    add_header(path, flat, name, value[name])
  end
  return flat
end

local function protocols(path, value)
  local list = list_of_lines(path, value)
  local ok, sentence = core.check_protocols(list)
  if not ok then fail_with(path, sentence) end
  return list
end

-- ---------------------------------------------------------------- extensions

local window_bits = whole(8, 15)

local function flag(path, value)
  return boolean(path, value) or nil
end

-- Checkers of permessage-deflate's parameters; they give the parameter's value, true for a bare
-- one, nil for none.
local DEFLATE_PARAMS = {
  client_max_window_bits = function(path, value)
    if type(value) == "boolean" then return value or nil end
    return window_bits(path, value)
  end,
  client_no_context_takeover = flag,
  server_max_window_bits = window_bits,
  server_no_context_takeover = flag,
}

-- How to compress, which is nobody's business but ours.
local DEFLATE_TUNING = { level = whole(0, 9), mem_level = whole(1, 9), threshold = whole(0) }

local GENERAL = { name = line, required = boolean, require = list_of_lines }

local DEFLATE_NAMES = {}
for _, names in ipairs { DEFLATE_PARAMS, DEFLATE_TUNING, GENERAL } do
  for name in pairs(names) do DEFLATE_NAMES[name] = true end
end

local function add_param(params, name, value)
  params[#params + 1] = name
  params[#params + 1] = value ~= true and tostring(value)
end

local function deflate_params(path, given, config)
  local wished = { client_max_window_bits = not config.server or nil }
  for name, value in pairs(given) do
    local where = path .. "." .. tostring(name)
    if DEFLATE_PARAMS[name] then
      wished[name] = DEFLATE_PARAMS[name](where, value)
    elseif DEFLATE_TUNING[name] then
      config.deflate = config.deflate or {}
      config.deflate[name] = DEFLATE_TUNING[name](where, value)
    elseif not GENERAL[name] then
      fail_unknown(path .. ".", name, DEFLATE_NAMES)
    end
  end
  local params = {}
  for _, name in ipairs(sorted_keys(wished)) do
    local value = wished[name]
    add_param(params, name, value == true or ("%d"):format(value))
  end
  return params
end

local function other_params(path, given)
  local params = {}
  need_string_keys(path, given)
  for _, name in ipairs(sorted_keys(given)) do
    local value = given[name]
    if not GENERAL[name] then
      local where = path .. "." .. name
      line(where, name)
      if type(value) == "number" then value = ("%.14g"):format(value) end
      if value ~= true then line(where, value) end
      add_param(params, name, value)
    end
  end
  return params
end

local function extension(path, name, given, config)
  if type(given) ~= "table" then fail(path, "a table or false", given) end
  local is_deflate = name == "permessage-deflate"
  local checked = {
    name = line(path, name),
    params = is_deflate and deflate_params(path, given, config) or other_params(path, given),
  }
  local required, require_params = given.required, given.require
  if required ~= nil then checked.required = boolean(path .. ".required", required) end
  if require_params ~= nil then
    checked.require = list_of_lines(path .. ".require", require_params)
  end
  local ok, sentence = core.check_extension(checked)
  if not ok then fail_with(path, sentence) end
  return checked
end

local function extensions(path, value, config)
  if type(value) ~= "table" then fail(path, "a table", value) end
  local list = {}
  if value[1] ~= nil then
    for i, given in ipairs(value) do
      local where = ("%s[%d]"):format(path, i)
      if type(given) ~= "table" then fail(where, "a table", given) end
      list[i] = extension(where, line(where .. ".name", given.name), given, config)
    end
    return list
  end
  need_string_keys(path, value)
  for _, name in ipairs(sorted_keys(value)) do
    local given = value[name]
    if given == true then given = {} end
    if given ~= false then
      list[#list + 1] = extension(path .. "." .. name, name, given, config)
    end
  end
  return list
end

-- ---------------------------------------------------------------- TLS

local BASE64 = {}
do
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  for i = 1, #letters do BASE64[letters:sub(i, i)] = i - 1 end
end

-- The 32 bytes that 43 base64 digits and one "=" stand for, or nil.
local function from_base64(digits)
  local bytes, bits, held = {}, 0, 0
  for digit in digits:gmatch "[^=]" do
    local value = BASE64[digit]
    if not value then return nil end
    held, bits = held * 64 + value, bits + 6
    if bits >= 8 then
      bits = bits - 8
      local byte = math.floor(held / 2 ^ bits)
      bytes[#bytes + 1] = string.char(byte)
      held = held - byte * 2 ^ bits
    end
  end
  return table.concat(bytes)
end

local function pin(path, value)
  line(path, value)
  local digits = value:gsub("^[sS][hH][aA]256[:/]", "")
  -- "sha256//": the second slash, unless it is the first digit
  if digits:sub(1, 1) == "/" and (#digits == 45 or #digits == 65) then digits = digits:sub(2) end
  if #digits == 64 and digits:find "^%x+$" then
    return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
  end
  local bytes = #digits == 44 and digits:sub(-1) == "=" and from_base64(digits)
  if not bytes or #bytes ~= 32 then
    fail_with(path, "expected the SHA-256 of a public key, 64 hex digits or base64")
  end
  return bytes
end

local function pins(path, value)
  local checked = list_of_lines(path, value)
  for i, one in ipairs(checked) do
    checked[i] = pin(("%s[%d]"):format(path, i), one)
  end
  return checked
end

local TLS_VERSIONS = { ["1.2"] = 12, ["1.3"] = 13 }

local function tls_version(path, value)
  local version = TLS_VERSIONS[tostring(value)]
  if not version then fail(path, '"1.2" or "1.3"', value) end
  return version
end

local function alpn(path, value)
  if value == false then return "" end
  return line(path, value)
end

local function session_cache(path, value)
  if value == true then return nil end
  if value == false then return 0 end
  return whole(0)(path, value)
end

local tls = group {
  verify = boolean,
  ca_file = line,
  ca_path = line,
  ca = text,
  cert = text,
  key = text,
  password = text,
  server_name = line,
  ciphers = line,
  min_version = tls_version,
  pin = pins,
  alpn = alpn,
  keylog_file = line,
  session_cache = session_cache,
}

-- ---------------------------------------------------------------- the rest

local keepalive_group = group { interval = seconds, timeout = seconds }

local function keepalive(path, value)
  if value == true then return nil end
  if value == false then return false end
  return keepalive_group(path, value)
end

local outbox_group = group {
  bytes = whole(1),
  ttl = function(path, value)
    if type(value) ~= "number" or value ~= value or value <= 0 then
      fail(path, "seconds > 0", value)
    end
    return value
  end,
}

local function outbox(path, value)
  if value == false then return nil end
  return value == true and {} or outbox_group(path, value)
end

local function proxy(path, value)
  if value == false then return "" end
  if type(value) ~= "string" or value == "" then fail(path, "a URL or false", value) end
  line(path, value)
  local ok, sentence = core.check_proxy(value)
  if not ok then fail_with(path, sentence) end
  return value
end

local function resolve(path, value)
  if type(value) ~= "table" then fail(path, "a table", value) end
  need_string_keys(path, value)
  local list = {}
  for i, host in ipairs(sorted_keys(value)) do
    local addresses = list_of_lines(path .. "." .. host, value[host])
    list[i] = { host = line(path, host), addresses = addresses }
  end
  return list
end

local function family(path, value)
  if value ~= 4 and value ~= 6 then fail(path, "4 or 6", value) end
  return value
end

local function role(path, value)
  if value ~= "client" and value ~= "server" then fail(path, '"client" or "server"', value) end
  return value
end

local function policy(path, value, _, clock)
  if not value then return nil end
  local ok, made = pcall(retry.new, value, { clock = clock or core.now })
  if ok then return made end
  fail_with(path, (tostring(made):gsub("^.-wsclose%.retry: ", "")))
end

-- What goes into the core's config, by the same name.
local CONFIG = {
  protocols = protocols,
  require_protocol = boolean,
  extensions = extensions,
  timeouts = group {
    connect = seconds, dns = seconds, tls = seconds, handshake = seconds, close = seconds,
    linger = seconds,
  },
  keepalive = keepalive,
  limits = group {
    message = whole(1), frame = whole(1), fragments = whole(1), header = whole(1),
    send_queue = whole(1),
  },
  tls = tls,
  proxy = proxy,
  bind = line,
  resolve = resolve,
  family = family,
  nodelay = boolean,
  trace = boolean,
}

-- What Lua deals with.
local SETTINGS = {
  headers = headers,
  retry = policy,
  redirects = whole(0),
  outbox = outbox,
  max_messages = whole(1),
  max_time = seconds,
  clock = callable,
  random_bytes = callable,
  role = role,
}

local CALLBACKS = {}
for _, name in ipairs {
  "on_open", "on_message", "on_close", "on_retry", "before_connect", "on_ping", "on_pong",
  "on_drain", "on_frame",
} do
  CALLBACKS[name] = callable
end

local KNOWN = {}
for _, names in ipairs { CONFIG, SETTINGS, CALLBACKS } do
  for name, check in pairs(names) do KNOWN[name] = check end
end

---@class wsclose.Settings
---@field config table what wsclose.core reads; may be shared
---@field callbacks? table<string, function>
---@field headers? string[] flat: name, value, name, value
---@field retry? wsclose.RetryPolicy
---@field redirects? integer
---@field outbox? wsclose.Outbox
---@field budget? {messages: number, time: number} of one update
---@field clock? fun(): number
---@field random_bytes? fun(n: integer): string

local function default_extensions(server)
  return extensions("extensions", { ["permessage-deflate"] = {} }, { server = server })
end

-- Shared by all objects that do not say otherwise: a thousand clients hold one of each.
local SERVER_EXTENSIONS = default_extensions(true)
local CLIENT_CONFIG = { extensions = default_extensions(false) }

local function read(given)
  if type(given) ~= "table" then
    error("expected a table of options, got " .. type(given), 0)
  end
  for name in pairs(given) do
    if not KNOWN[name] then fail_unknown("", name, KNOWN) end
  end
  local config, callbacks = {}, {}
  local settings = { config = config, callbacks = callbacks }
  -- what other checks depend on
  if given.role ~= nil then config.server = role("role", given.role) == "server" end
  local clock = given.clock ~= nil and callable("clock", given.clock) or nil
  for name, value in pairs(given) do
    local checked = KNOWN[name](name, value, config, clock)
    if CONFIG[name] then
      config[name] = checked
    elseif CALLBACKS[name] then
      callbacks[name] = checked
    else
      settings[name] = checked
    end
  end
  if callbacks.on_frame then config.trace = true end
  if settings.max_messages or settings.max_time then
    settings.budget =
      { messages = settings.max_messages or math.huge, time = settings.max_time or math.huge }
  end
  if next(config) == nil then
    settings.config = CLIENT_CONFIG
  elseif not config.extensions then
    config.extensions = config.server and SERVER_EXTENSIONS or CLIENT_CONFIG.extensions
  end
  return settings
end

--- Checked options.
---@param given? wsclose.Options
---@return wsclose.Settings? settings
---@return string? sentence what is wrong with them
function options.read(given)
  if given == nil then return { config = CLIENT_CONFIG, callbacks = {} } end
  local ok, settings = pcall(read, given)
  if ok then return settings end
  return nil, settings
end

--- Checked headers of one attempt.
---@param given table as the option headers
---@return string[]? flat
---@return string? sentence
function options.read_headers(given)
  local ok, flat = pcall(headers, "headers", given)
  if ok then return flat end
  return nil, flat
end

--- Checked subprotocols of one attempt.
---@param given string[]|string
---@return string[]? list
---@return string? sentence
function options.read_protocols(given)
  local ok, list = pcall(protocols, "protocols", given)
  if ok then return list end
  return nil, list
end

--- Is this a WebSocket URL?
---@param url any
---@return boolean? ok
---@return string? sentence
---@return "url"? name
function options.check_url(url)
  local ok, sentence = false, "the URL holds a NUL byte"
  if not url:find("\0", 1, true) then ok, sentence = core.check_url(url) end
  if ok then return true end
  return nil, sentence, "url"
end

return options
