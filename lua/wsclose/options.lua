--- The options of a client or protocol object: checked, and brought into the one shape that
-- wsclose.core reads.  Each rule stands here, or in the core where it is about the wire (header
-- names, extension parameters, URLs); the defaults stand in the core alone.

local core = require "wsclose.core"
local checks = require "wsclose.checks"
local close_info = require "wsclose.close_info"
local extensions = require("wsclose.option_extensions").read
local log = require "wsclose.log"
local meaning = require "wsclose.option_words"
local retry = require "wsclose.retry"
local shared = require "wsclose.shared"
local tls = require("wsclose.option_tls").read

local fail, fail_with, fail_unknown = checks.fail, checks.fail_with, checks.fail_unknown
local callable, boolean, seconds = checks.callable, checks.boolean, checks.seconds
local whole, line, list_of_lines = checks.whole, checks.line, checks.list_of_lines
local group, sorted_names, expecting = checks.group, checks.sorted_names, checks.expecting

local options = {}

---@class wsclose.Timeouts seconds; 0 or math.huge: no limit
---@field connect? number all phases until open (10)
---@field dns? number name resolution (5)
---@field tls? number TLS handshake (5)
---@field handshake? number WebSocket handshake (5)
---@field drain? number what was sent before close(), as long as bytes leave (30)
---@field close? number the peer's Close, from when ours, or the last byte before it, has left (5)
---@field linger? number for the server to close TCP first (2); 0: not at all

---@class wsclose.Keepalive
---@field interval? number seconds without a byte from the peer before a ping (20)
---@field timeout? number seconds without one after it has left before the peer is given up (20)

---@class wsclose.Limits whole numbers of at least 1; the first three may be math.huge: none
---@field message? number bytes of a message, inflated (16 MiB)
---@field frame? number bytes of a frame on the wire, compressed a sixteenth more (as message)
---@field fragments? number frames of one message (262144)
---@field header? integer bytes of the handshake answer's head (16 KiB)
---@field send_queue? integer bytes that may wait for the network, and of a message sent (16 MiB)

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
---@field groups? string OpenSSL's list of groups for the key exchange
---@field min_version? "1.2"|"1.3"|number
---@field pin? string|string[] SHA-256 of the key's SubjectPublicKeyInfo, base64 or hex
---@field alpn? string|false false: none
---@field keylog_file? string
---@field session_cache? integer|boolean sessions kept for resumption

---@class wsclose.Pieces
---@field size? integer bytes of a piece at the most (16384)

---@class wsclose.Outbox
---@field bytes? integer what may be kept at most, all together (1 MiB)
---@field ttl? number seconds after which a kept message is dropped (none)
---@field full? "refuse"|"oldest" when bytes are kept: refuse, or drop the oldest ("refuse")
---@field confirm? boolean report what left and the server did not confirm by a pong (false)
---@field high? integer bytes: while so many wait, send gives true, "high" (none)
---@field low? integer bytes: on_drain is called when no more than these wait; below high (0)

---@class wsclose.Options
---@field protocols? string[]|string subprotocols, most wanted first
---@field require_protocol? boolean false: an answer without one is fine (true)
---@field headers? table<string, string|number>|string[][] map, or list of {name, value}
---@field extensions? table<string, wsclose.Extension|boolean>|wsclose.Extension[]
---@field retry? boolean|"fleet"|wsclose.RetryOptions|wsclose.RetryPolicy
---@field timeouts? wsclose.Timeouts
---@field keepalive? wsclose.Keepalive|boolean false: no pings
---@field limits? wsclose.Limits
---@field pieces? wsclose.Pieces|boolean messages are given as they come, to on_piece (false)
---@field tls? wsclose.Tls
---@field proxy? string|false URL; false: none; nil: as the environment says
---@field socket? integer descriptor of a connected one, in the place of name, TCP and proxy
---@field proxy_headers? table<string, string|number>|string[][] for CONNECT, as headers
---@field receive_reopened? boolean receive first tells of another connection (false)
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
---@field trace? boolean|"payload" give frames to on_frame, though it is not among the options
---@field log? "error"|"info"|"debug"|"frames"|wsclose.LogFunction|false one line an event
---@field role? "client"|"server" of wsclose.protocol (client)
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
local function flat_headers(path, value)
  if type(value) ~= "table" then fail(path, "a table", value) end
  local flat = {}
  if value[1] ~= nil then
    for i, pair in ipairs(value) do
      if type(pair) ~= "table" then fail(("%s[%d]"):format(path, i), "{name, value}", pair) end
      add_header(path, flat, pair[1], pair[2])
    end
    return flat
  end
  for _, name in ipairs(sorted_names(path, value)) do
    add_header(path, flat, name, value[name])
  end
  return flat
end

-- Headers of which Host may stand there `hosts` times.
local function headers_with(hosts, sentence)
  return function(path, value)
    local flat, count = flat_headers(path, value), 0
    for i = 1, #flat, 2 do
      if flat[i]:lower() == "host" then count = count + 1 end
    end
    if count > hosts then fail_with(path, sentence) end
    return flat
  end
end

local headers = headers_with(1, "Host stands in it twice")
local proxy_headers = headers_with(0, "the Host of a tunnel is the server's, from the URL")

local function protocols(path, value)
  local list = list_of_lines(path, value)
  local ok, sentence = core.check_protocols(list)
  if not ok then fail_with(path, sentence) end
  return list
end

-- ---------------------------------------------------------------- the rest

local keepalive_group = group({ interval = seconds, timeout = seconds }, meaning)

local function keepalive(path, value)
  if value == true then return nil end
  if value == false then return false end
  return keepalive_group(path, value)
end

local positive = whole(1)

-- Of sizes that nothing has to be made room for.
local function whole_or_none(path, value)
  return value == math.huge and value or positive(path, value)
end

local PIECE_SIZE = 16384
local pieces_group = group { size = positive }

local function pieces(path, value)
  if value == false then return nil end
  return value == true and PIECE_SIZE or pieces_group(path, value).size or PIECE_SIZE
end

local outbox_group = group {
  bytes = positive,
  high = positive,
  low = whole(0),
  confirm = boolean,
  full = expecting('"refuse" or "oldest"', function(v) return v == "refuse" or v == "oldest" end),
  ttl = expecting("seconds > 0", function(v) return type(v) == "number" and v > 0 end),
}

local function outbox(path, value)
  if value == false then return nil end
  local read = value == true and {} or outbox_group(path, value)
  if read.low and not (read.high and read.low < read.high) then
    fail(path .. ".low", "a number below outbox.high", read.low)
  end
  return read
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
  local list = {}
  for i, host in ipairs(sorted_names(path, value)) do
    local addresses = list_of_lines(path .. "." .. host, value[host])
    list[i] = { host = line(path, host), addresses = addresses }
  end
  return list
end

local descriptor = expecting("the descriptor of a socket", function(v)
  return type(v) == "number" and v >= 0 and v % 1 == 0 and v < 2 ^ 31
end)

local function socket(path, value)
  if core.is_socket(descriptor(path, value)) then return value end
  fail_with(path, ("the descriptor %d is none of a stream socket"):format(value))
end

local role = expecting('"client" or "server"', function(v)
  return v == "client" or v == "server"
end)

local function trace(path, value, config)
  if value == "payload" then config.trace_payloads = true end
  if value ~= "payload" and type(value) ~= "boolean" then
    fail(path, 'true, false or "payload"', value)
  end
  return value ~= false
end

local function policy(path, value, _, clock)
  if not value then return nil end
  local ok, made = pcall(retry.new, value, { clock = clock or core.now }, path)
  return ok and made or error((made:gsub("^.-wsclose%.retry: ", "")), 0)
end

-- What goes into the core's config, by the same name.
local CONFIG = {
  protocols = protocols,
  require_protocol = boolean,
  extensions = extensions,
  timeouts = group({
    connect = seconds, dns = seconds, tls = seconds, handshake = seconds, drain = seconds,
    close = seconds, linger = seconds,
  }, meaning),
  keepalive = keepalive,
  limits = group({
    message = whole_or_none, frame = whole_or_none, fragments = whole_or_none,
    header = positive, send_queue = positive,
  }, meaning),
  pieces = pieces,
  tls = tls,
  proxy = proxy,
  proxy_headers = proxy_headers,
  bind = line,
  resolve = resolve,
  family = expecting("4 or 6", function(v) return v == 4 or v == 6 end),
  nodelay = boolean,
  trace = trace,
}

-- What Lua deals with.
local SETTINGS = {
  headers = headers,
  retry = policy,
  receive_reopened = boolean,
  redirects = whole(0),
  outbox = outbox,
  socket = socket,
  max_messages = positive,
  max_time = seconds,
  clock = callable,
  log = log.read,
  random_bytes = callable,
  role = role,
}

local CALLBACKS = {}
for _, name in ipairs {
  "on_open", "on_message", "on_piece", "on_close", "on_retry", "before_connect", "on_ping",
  "on_pong", "on_drain", "on_frame", "on_undelivered",
} do
  CALLBACKS[name] = callable
end

-- Which of the two a client has, the option pieces decides.
local function check_taker(name, in_pieces, said, level)
  if name == "on_message" and in_pieces then
    error(said .. "with the option pieces messages are given to on_piece", level)
  elseif name == "on_piece" and not in_pieces then
    error(said .. "it needs the option pieces; without it messages are given to on_message", level)
  end
end

local KNOWN = {}
for _, names in ipairs { CONFIG, SETTINGS, CALLBACKS } do
  for name, check in pairs(names) do KNOWN[name] = check end
end

---@class wsclose.Settings shared by all clients that were told alike: not to be changed
---@field config table what wsclose.core reads
---@field headers? string[] flat: name, value, name, value
---@field retry? wsclose.RetryPolicy
---@field redirects? integer
---@field receive_reopened? boolean
---@field outbox? wsclose.Outbox
---@field max_messages? integer of one update
---@field max_time? number
---@field clock? fun(): number
---@field random_bytes? fun(n: integer): string
---@field log? wsclose.Log

local function default_extensions(server)
  return extensions("extensions", { ["permessage-deflate"] = {} }, { server = server })
end

-- Shared by all objects that do not say otherwise: a thousand clients hold one of each.
local SERVER_EXTENSIONS = default_extensions(true)
local CLIENT_CONFIG = { extensions = default_extensions(false) }

-- Those that change nothing in the core.
local SEPARATE = {}
for name in pairs(CALLBACKS) do
  if name ~= "on_frame" then SEPARATE[name] = true end
end

-- All but the callbacks.
local read_settings = shared.reader(function(given)
  local config = {}
  local settings = { config = config }
  -- what other checks depend on
  if given.role ~= nil then config.server = role("role", given.role) == "server" end
  local clock = given.clock ~= nil and callable("clock", given.clock) or nil
  for name, value in pairs(given) do
    if CONFIG[name] then
      config[name] = CONFIG[name](name, value, config, clock)
    elseif SETTINGS[name] then
      settings[name] = SETTINGS[name](name, value, config, clock)
    elseif not CALLBACKS[name] then
      fail_unknown("", name, KNOWN, meaning)
    end
  end
  if given.log == nil then settings.log = log.environment end
  if given.on_frame ~= nil or log.wants_frames(settings.log) then config.trace = true end
  if next(config) == nil then
    settings.config = CLIENT_CONFIG
  elseif not config.extensions then
    config.extensions = config.server and SERVER_EXTENSIONS or CLIENT_CONFIG.extensions
  end
  return settings
end, SEPARATE)

local NONE = {}

local function read(given)
  if type(given) ~= "table" then
    error("expected a table of options, got " .. type(given), 0)
  end
  local settings, callbacks = read_settings(given), NONE
  for name, value in pairs(given) do
    if CALLBACKS[name] then
      if callbacks == NONE then callbacks = {} end
      callbacks[name] = callable(name, value)
      check_taker(name, settings.config.pieces, ("option '%s': "):format(name), 0)
    end
  end
  return settings, callbacks
end

--- Checked options.
---@param given? wsclose.Options
---@return wsclose.Settings? settings
---@return table<string, function>|string callbacks, or a sentence: what is wrong with them
function options.read(given)
  if given == nil then given = NONE end
  local ok, settings, callbacks = pcall(read, given)
  if ok then return settings, callbacks end
  return nil, settings
end

--- The arguments of what makes a client; raises at its caller for a wrong one.
---@param url any
---@param given any
---@param server_too? boolean may it be the server's side, which has no URL?
---@param level? integer as error's
---@return wsclose.Settings
---@return table<string, function> callbacks
function options.check_arguments(url, given, server_too, level)
  local settings, callbacks = options.read(given)
  local is_server, sentence = settings and settings.config.server, not settings and callbacks
  if type(url) ~= "string" and not (server_too and is_server and url == nil) then
    sentence = "url: expected a string, got " .. type(url)
  elseif is_server and not server_too then
    sentence = "option 'role': only wsclose.protocol(nil, …) can be a server"
  end
  if sentence then error(sentence, level or 3) end
  return settings, callbacks
end

-- What one attempt may have of its own; each raises the sentence.
options.headers, options.protocols, options.socket = headers, protocols, socket

-- "http://feed.example/v1", "feed.example/v1" and the like: what was meant by them.
local function without_scheme(url)
  local shown = close_info.shown_url(url)
  local scheme, rest = shown:match "^(%a[%w+.-]*)://(.*)$"
  rest = rest or shown:match "^[Ww][Ss][Ss]?:/*(.*)$" or shown:gsub("^/*", "")
  local secure = (scheme or shown):lower():find "^https" or shown:find "^[Ww][Ss][Ss]:"
  local meant = (secure and "wss://" or "ws://") .. rest
  local said = ('the URL "%s" does not begin with ws:// or wss:// (nor ws+unix://, wss+unix://)')
    :format(shown)
  return core.check_url(meant) and ('%s; did you mean "%s"?'):format(said, meant) or said
end

--- Is this a WebSocket URL?
---@param url string
---@return "ws"|"wss"|nil scheme
---@return string? sentence
---@return "url"? name
function options.check_url(url)
  local scheme, sentence = core.check_url(url)
  if scheme then return scheme end
  if sentence:find("does not begin with", 1, true) then sentence = without_scheme(url) end
  return nil, sentence, "url"
end

-- ---------------------------------------------------------------- fields of a client

--- Raises at who assigns a callback that is none.  Other fields are the program's own affair, but
-- for functions by names that are callbacks elsewhere.
function options.check_field(name, value, ws)
  if value == nil or type(name) ~= "string" then return end
  local is_callback = CALLBACKS[name]
  if not is_callback and not name:find "^on" then return end
  local callable_value = checks.is_callable(value)
  if is_callback and callable_value then
    check_taker(name, ws._settings.config.pieces, ("ws.%s: "):format(name), 4)
    return
  end
  if is_callback then
    error(("ws.%s: expected a function, got %s"):format(name, checks.described(value)), 3)
  end
  local joined = "on_" .. name:sub(3):lower()
  local meant = meaning(name, "on_") or CALLBACKS[joined] and joined
  if not (name:find "^on_" or meant and callable_value) then return end
  meant = meant or checks.nearest(name, CALLBACKS)
  error(("ws.%s: there is no such callback%s"):format(
    name, meant and ("; did you mean '%s'?"):format(meant) or ""), 3)
end

return options
