--- The option table: tables built from the input, given to wsclose.new and wsclose.protocol.
--
-- Input: values, each a kind and what belongs to it; the first is the option table.
--
-- Held: there is an object, or an error that names an option or an argument and says what was
-- expected, or the program's own out of random_bytes; never one of Lua's.  An object can be used,
-- and all memory is given back.

local wsclose = require "wsclose"

local DEPTH_MAX, FIELDS_MAX = 4, 12

-- Words that options are made of; others are taken from the input.
local WORDS = {}
for word in ([[
    protocols require_protocol headers extensions retry timeouts keepalive limits pieces tls
    proxy proxy_headers bind resolve family nodelay trace receive_reopened redirects outbox
    socket max_messages max_time clock log random_bytes role on_open on_message on_piece
    on_close on_retry before_connect on_ping on_pong on_drain on_frame on_undelivered
    permessage-deflate required require client_no_context_takeover server_no_context_takeover
    client_max_window_bits server_max_window_bits level mem_level threshold name params
    initial max factor floor jitter attempts elapsed first codes statuses decide always hints
    profile fleet stable_after overload_max random sleep full equal decorrelated none connect
    dns handshake drain close linger interval timeout message frame fragments header
    send_queue size bytes ttl high low confirm refuse oldest verify ca_file ca_path ca cert
    key password server_name ciphers groups min_version pin alpn keylog_file session_cache
    client server error info debug frames payload Host Authorization text ws://a.example/
    wss://b.example/x http://p:1 socks5h://u:p@p:1 192.0.2.1 ::1 1.2 TLSv1.3 1000 4000-4999
    503
]]):gmatch "%S+" do
  WORDS[#WORDS + 1] = word
end

local NUMBERS = {
  0, 1, 2, 4, 6, 8, 9, 15, 16, 1000, 1001, 4000, 65536, 0.5, -1, 1.5, 1e300, 2 ^ 31, 2 ^ 53,
  math.huge, -math.huge, 0 / 0, 1e-9, 1 / 3, 64, 125, 2 ^ 63,
}

local OWN_ERROR = "the program's own"

local FUNCTIONS = {
  function() end,
  function() return 1 end,
  function(n) return ("x"):rep(type(n) == "number" and n < 1e4 and n or 1) end,
  function() error(OWN_ERROR, 0) end,
  function() return { 1, 2 } end,
}

local function reader(bytes)
  local at = 0
  return function()
    at = at + 1
    return bytes:byte(at) or 0
  end
end

local function word(byte)
  local number = byte()
  if number < 224 then return WORDS[number % #WORDS + 1] end
  local letters = {}
  for i = 1, number % 32 do letters[i] = string.char(byte()) end
  return table.concat(letters)
end

local value

local function fields(byte, depth, is_list)
  local made = {}
  for i = 1, byte() % FIELDS_MAX do
    local name = is_list and i or byte() % 16 == 0 and value(byte, DEPTH_MAX) or word(byte)
    if name ~= nil and name == name then made[name] = value(byte, depth + 1) end
  end
  return made
end

function value(byte, depth)
  local kind = byte() % 10
  if kind < 2 and depth < DEPTH_MAX then return fields(byte, depth, kind == 1) end
  if kind < 5 then return word(byte) end
  if kind == 5 then return NUMBERS[byte() % #NUMBERS + 1] end
  if kind == 6 then return byte() % 2 == 0 end
  if kind == 7 then return FUNCTIONS[byte() % #FUNCTIONS + 1] end
  if kind == 8 then return byte() end
  return nil
end

-- A descriptor of ours could be one of the fuzzer's own, and a file might be written.
local function tame(options)
  if type(options) ~= "table" then return options end
  if type(options.socket) == "number" then options.socket = nil end
  if type(options.tls) == "table" then options.tls.keylog_file = nil end
  options.log = options.log ~= nil and function() end or nil
  return options
end

local function is_known(part)
  return part:find "^option[s]?[ ']" or part:find "^expected a table of options"
    or part:find "^url: expected" or part:find "^unknown option" or part:find "^headers"
    or part == OWN_ERROR
end

local function check_fault(fault)
  local text = tostring(fault):gsub("^[%w_./]+:%d+: ", "")
  local is_internal = text:find("attempt to", 1, true) or text:find("stack overflow", 1, true)
    or text:find("bad argument", 1, true)
  if is_internal or not is_known(text) then
    error("fuzz: an error that names no option: " .. tostring(fault), 0)
  end
end

-- What is made can be looked at and left.
local function use(object)
  if not object then return end
  if object.buffered then object:buffered() end
  tostring(object)
  object:stats()
  object:leave()
end

return function(bytes)
  local byte = reader(bytes)
  local url = byte() % 8 == 0 and value(byte, 0) or "ws://a.example/"
  local options = tame(value(byte, 0))
  for _, make in ipairs { wsclose.new, wsclose.protocol } do
    local ok, object, sentence, name = pcall(make, url, options)
    if not ok then
      check_fault(object)
    elseif object then
      use(object)
    elseif not (type(sentence) == "string" and (name == "url" or name == "memory")) then
      error("fuzz: neither an object nor why not: " .. tostring(sentence), 0)
    end
  end
end
