-- Options: what is accepted and handed to the core, and the sentences about what is not.

local options = require "wsclose.options"
local wsclose = require "wsclose"

local function config_of(given)
  local settings, callbacks = options.read(given)
  assert(settings, callbacks)
  return settings.config, settings, callbacks
end

local function fault_of(given)
  local settings, sentence = options.read(given)
  assert.is_nil(settings)
  return sentence
end

describe("an unknown option", function()
  for _, case in ipairs {
    { { protocol = "a" }, "unknown option 'protocol'; did you mean 'protocols'?" },
    { { header = {} }, "unknown option 'header'; did you mean 'headers'?" },
    { { Retry = true }, "unknown option 'Retry'; did you mean 'retry'?" },
    { { onmessage = print }, "unknown option 'onmessage'; did you mean 'on_message'?" },
    { { keep_alive = false }, "unknown option 'keep_alive'; did you mean 'keepalive'?" },
    {
      { timeouts = { conect = 1 } },
      "unknown option 'timeouts.conect'; did you mean 'timeouts.connect'?",
    },
    {
      { limits = { messages = 1 } },
      "unknown option 'limits.messages'; did you mean 'limits.message'?",
    },
    { { tls = { cafile = "x" } }, "unknown option 'tls.cafile'; did you mean 'tls.ca_file'?" },
    {
      { keepalive = { intervall = 1 } },
      "unknown option 'keepalive.intervall'; did you mean 'keepalive.interval'?",
    },
    { { outbox = { byte = 1 } }, "unknown option 'outbox.byte'; did you mean 'outbox.bytes'?" },
    {
      { extensions = { ["permessage-deflate"] = { require_ = {} } } },
      "unknown option 'extensions.permessage-deflate.require_'; "
        .. "did you mean 'extensions.permessage-deflate.require'?",
    },
    { { [1] = "x" }, "option 1: expected a name, got number" },
  } do
    it("is refused: " .. case[2], function()
      assert.equal(case[2], fault_of(case[1]))
    end)
  end
end)

describe("a wrong value", function()
  local nan = 0 / 0
  for _, case in ipairs {
    { { timeouts = { dns = "5" } }, "option 'timeouts.dns': expected seconds >= 0, got string" },
    { { timeouts = { close = -1 } }, "option 'timeouts.close': expected seconds >= 0, got -1" },
    { { timeouts = 5 }, "option 'timeouts': expected a table, got 5" },
    {
      { limits = { message = 0 } },
      "option 'limits.message': expected a whole number >= 1, got 0",
    },
    {
      { limits = { frame = 1.5 } },
      "option 'limits.frame': expected a whole number >= 1, got 1.5",
    },
    { { require_protocol = 1 }, "option 'require_protocol': expected true or false, got 1" },
    { { on_open = "f" }, "option 'on_open': expected a function, got string" },
    { { on_close = {} }, "option 'on_close': expected a function, got table" },
    { { family = 5 }, "option 'family': expected 4 or 6, got 5" },
    { { redirects = -1 }, "option 'redirects': expected a whole number >= 0, got -1" },
    { { proxy = 8080 }, "option 'proxy': expected a URL or false, got 8080" },
    { { protocols = { "a", 1 } }, "option 'protocols[2]': expected a string, got 1" },
    { { protocols = { first = "a" } }, "option 'protocols': expected a list, got the key first" },
    { { bind = "127.0.0.1\n" }, "option 'bind': must not hold CR or LF" },
    { { bind = "127.0.0.1\0" }, "option 'bind': must not hold NUL" },
    { { headers = { [2] = "x" } }, "option 'headers': expected names as keys, got the key 2" },
    { { headers = { X = {} } }, "option 'headers.X': expected a string, got table" },
    { { headers = { "X: 1" } }, "option 'headers[1]': expected {name, value}, got string" },
    { { outbox = { bytes = 0 } }, "option 'outbox.bytes': expected a whole number >= 1, got 0" },
    { { outbox = { ttl = 0 } }, "option 'outbox.ttl': expected seconds > 0, got 0" },
    { { outbox = { full = "new" } },
      "option 'outbox.full': expected \"refuse\" or \"oldest\", got string" },
    { { outbox = { confirm = 1 } }, "option 'outbox.confirm': expected true or false, got 1" },
    { { outbox = { high = 5, low = 5 } },
      "option 'outbox.low': expected a number below outbox.high, got 5" },
    { { outbox = { low = 5 } }, "option 'outbox.low': expected a number below outbox.high, got 5" },
    { { role = "both" }, "option 'role': expected \"client\" or \"server\", got string" },
    { { resolve = { a = 1 } }, "option 'resolve.a': expected a list of strings, got 1" },
    { { clock = 1 }, "option 'clock': expected a function, got 1" },
    { { tls = { server_name = "" } }, "option 'tls.server_name': expected a host's name" },
    { { tls = { server_name = "." } }, "option 'tls.server_name': expected a host's name" },
    { { tls = { server_name = ".b.c" } }, "option 'tls.server_name': expected a host's name" },
    { { tls = { server_name = 1 } }, "option 'tls.server_name': expected a string, got 1" },
    { { tls = { verify = 0 } }, "option 'tls.verify': expected true or false, got 0" },
    {
      { tls = { min_version = 1.1 } },
      "option 'tls.min_version': expected \"1.2\" or \"1.3\", got 1.1",
    },
    {
      { tls = { pin = "abc" } },
      "option 'tls.pin[1]': expected the SHA-256 of a public key, 64 hex digits or base64",
    },
    {
      { extensions = { ["permessage-deflate"] = { client_max_window_bits = 7 } } },
      "option 'extensions.permessage-deflate.client_max_window_bits': "
        .. "expected a whole number from 8 to 15, got 7",
    },
    {
      { extensions = { ["permessage-deflate"] = { level = 10 } } },
      "option 'extensions.permessage-deflate.level': expected a whole number from 0 to 9, got 10",
    },
    {
      { extensions = { ["permessage-deflate"] = { required = "yes" } } },
      "option 'extensions.permessage-deflate.required': expected true or false, got string",
    },
    { { extensions = { x = 1 } }, "option 'extensions.x': expected a table or false, got 1" },
    {
      { extensions = { { required = true } } },
      "option 'extensions[1].name': expected a string, got nil",
    },
  } do
    it("is refused: " .. case[2], function()
      assert.equal(case[2], fault_of(case[1]))
    end)
  end

  it("may be NaN, which is no number of seconds", function()
    local expected = "expected seconds"
    assert.matches("timeouts.tls': " .. expected, fault_of { timeouts = { tls = nan } }, 1, true)
    assert.matches("outbox.ttl': " .. expected, fault_of { outbox = { ttl = nan } }, 1, true)
  end)

  for _, case in ipairs {
    { { headers = { ["X\r\nY"] = "1" } }, "headers.X\r\nY" },
    { { headers = { X = "1\r\nY: 2" } }, "headers.X" },
    { { headers = { X = "1\0" } }, "headers.X" },
    { { headers = { ["Sec-WebSocket-Key"] = "x" } }, "headers.Sec-WebSocket-Key" },
    { { headers = { Host = "a b" } }, "headers.Host" },
    { { headers = { Host = "a", host = "b" } }, "headers" },
    { { headers = { { "Host", "a" }, { "Host", "a" } } }, "headers" },
    { { proxy_headers = { X = "1\r\nY: 2" } }, "proxy_headers.X" },
    { { proxy_headers = { Host = "a" } }, "proxy_headers" },
    { { headers = { { "upgrade", "h2c" } } }, "headers.upgrade" },
    { { protocols = { "a b" } }, "protocols" },
    { { protocols = { "a", "a" } }, "protocols" },
    { { proxy = "gopher://x" }, "proxy" },
    { { extensions = { ["bad name"] = {} } }, "extensions.bad name" },
    { { extensions = { x = { p = "a b" } } }, "extensions.x" },
    { { retry = { initial = "soon" } }, "retry.initial" },
    { { retry = 5 }, "retry" },
  } do
    it("of " .. case[2]:gsub("%c", "?") .. " is refused in the words of those who know", function()
      local fault = fault_of(case[1])
      assert.equal("option '" .. case[2] .. "': ", fault:sub(1, #case[2] + 11))
      assert.is_true(#fault > #case[2] + 20, fault)
    end)
  end

  it("is told with the option's name where the retry policy knows it", function()
    local fault = fault_of { retry = { inital = 1 } }
    assert.matches("initial", fault, 1, true)
    assert.not_matches("retry.*%.lua", fault)
  end)
end)

describe("an error about options", function()
  for name, make in pairs {
    new = wsclose.new, connect = wsclose.connect, protocol = wsclose.protocol,
  } do
    it("raised by " .. name .. " points at the caller's line", function()
      local ok, message = pcall(function()
        make("ws://a.example/", { nope = 1 })
      end)
      assert.is_false(ok)
      assert.matches("^[^\n]*options_spec%.lua:%d+: unknown option 'nope'", message)
      ok, message = pcall(function()
        make(nil)
      end)
      assert.is_false(ok)
      assert.matches("^[^\n]*options_spec%.lua:%d+: url: expected a string, got nil", message)
      ok, message = pcall(function()
        make("ws://a.example/", "x")
      end)
      assert.is_false(ok)
      assert.matches("expected a table of options, got string", message, 1, true)
    end)

    it("of a faulty URL is given back by " .. name, function()
      for _, url in ipairs { "http://a.example/", "ws://a.example/#x", "ws://a\0b/", "" } do
        local made, sentence, kind = make(url)
        assert.is_nil(made)
        assert.equal("string", type(sentence))
        assert.equal("url", kind)
      end
    end)
  end
end)

describe("headers", function()
  it("of a map are sent in alphabetical order, numbers as text", function()
    local _, settings = config_of { headers = { ["X-B"] = "2", ["X-A"] = 1 } }
    assert.same({ "X-A", "1", "X-B", "2" }, settings.headers)
  end)

  it("of a list keep their order and may repeat", function()
    local _, settings = config_of { headers = { { "X-B", "2" }, { "X-A", "1" }, { "X-B", "3" } } }
    assert.same({ "X-B", "2", "X-A", "1", "X-B", "3" }, settings.headers)
  end)
end)

describe("extensions", function()
  local function extensions_of(given, role)
    return config_of { extensions = given, role = role }.extensions
  end

  it("are by default permessage-deflate with a bare client_max_window_bits", function()
    local plain = { { name = "permessage-deflate", params = { "client_max_window_bits", false } } }
    assert.same(plain, config_of({}).extensions)
    assert.same(plain, config_of(nil).extensions)
    assert.same(plain, extensions_of { ["permessage-deflate"] = true })
    assert.same(plain, extensions_of { ["permessage-deflate"] = { client_max_window_bits = true } })
  end)

  it("of a server ask for nothing by default", function()
    assert.same({ { name = "permessage-deflate", params = {} } }, extensions_of(nil, "server"))
  end)

  it("are none when switched off or left out of a table", function()
    assert.same({}, extensions_of { ["permessage-deflate"] = false })
    assert.same({}, extensions_of {})
  end)

  it("take all parameters of permessage-deflate", function()
    local given = {
      ["permessage-deflate"] = {
        client_no_context_takeover = true,
        server_no_context_takeover = true,
        client_max_window_bits = 10,
        server_max_window_bits = 12,
        required = true,
        require = { "server_no_context_takeover" },
        level = 3,
        mem_level = 4,
        threshold = 0,
      },
    }
    local config = config_of { extensions = given }
    assert.same({ level = 3, mem_level = 4, threshold = 0 }, config.deflate)
    assert.same({
      {
        name = "permessage-deflate",
        required = true,
        require = { "server_no_context_takeover" },
        params = {
          "client_max_window_bits", "10", "client_no_context_takeover", false,
          "server_max_window_bits", "12", "server_no_context_takeover", false,
        },
      },
    }, config.extensions)
  end)

  it("leave out parameters that are false", function()
    assert.same(
      { { name = "permessage-deflate", params = {} } },
      extensions_of {
        ["permessage-deflate"] = {
          client_max_window_bits = false,
          client_no_context_takeover = false,
          server_no_context_takeover = false,
        },
      }
    )
  end)

  it("of a map are offered by name in alphabetical order, of a list as listed", function()
    local function names(list)
      local found = {}
      for i, extension in ipairs(list) do found[i] = extension.name end
      return found
    end
    assert.same({ "a-x", "m-x", "permessage-deflate" },
      names(extensions_of { ["permessage-deflate"] = {}, ["m-x"] = {}, ["a-x"] = {} }))
    assert.same({ "m-x", "permessage-deflate", "a-x" },
      names(extensions_of { { name = "m-x" }, { name = "permessage-deflate" }, { name = "a-x" } }))
  end)

  it("of other names take their parameters from the other keys, in alphabetical order", function()
    assert.same(
      { { name = "x", required = true, params = { "a", "1", "b", false, "c", "tok" } } },
      extensions_of { x = { required = true, b = true, c = "tok", a = 1 } }
    )
  end)
end)

describe("tls options", function()
  local bytes = ("\1\35\69\103\137\171\205\239"):rep(4)
  local hex = ("0123456789abcdef"):rep(4)
  local base64 = "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8="

  for _, pin in ipairs { hex, hex:upper(), base64, "sha256/" .. base64, "sha256//" .. base64 } do
    it("read the pin " .. pin, function()
      assert.same({ bytes }, config_of({ tls = { pin = pin } }).tls.pin)
      assert.same({ bytes, bytes }, config_of({ tls = { pin = { pin, hex } } }).tls.pin)
    end)
  end

  it("write versions as numbers or text", function()
    for _, version in ipairs { "1.2", 1.2 } do
      assert.equal(12, config_of({ tls = { min_version = version } }).tls.min_version)
    end
    assert.equal(13, config_of({ tls = { min_version = "1.3" } }).tls.min_version)
  end)

  it("switch ALPN and the session cache off with false", function()
    local tls = config_of({ tls = { alpn = false, session_cache = false } }).tls
    assert.equal("", tls.alpn)
    assert.equal(0, tls.session_cache)
    assert.is_nil(config_of({ tls = { session_cache = true } }).tls.session_cache)
  end)

  it("take PEM text of several lines", function()
    assert.equal("a\nb\n", config_of({ tls = { ca = "a\nb\n" } }).tls.ca)
  end)
end)

describe("further options", function()
  it("name one protocol without a list", function()
    assert.same({ "a" }, config_of({ protocols = "a" }).protocols)
  end)

  it("switch things off with false", function()
    local off = { keepalive = false, proxy = false, retry = false, outbox = false }
    local config, settings = config_of(off)
    assert.is_false(config.keepalive)
    assert.equal("", config.proxy)
    assert.is_nil(settings.retry)
    assert.is_nil(settings.outbox)
  end)

  it("take the defaults with true", function()
    local config, settings = config_of { keepalive = true, outbox = true, retry = true }
    assert.is_nil(config.keepalive)
    assert.same({}, settings.outbox)
    assert.equal("function", type(settings.retry.next))
  end)

  it("take a policy as it is", function()
    local policy = wsclose.retry { initial = 3 }
    assert.equal(policy, select(2, config_of { retry = policy }).retry)
  end)

  it("give the retry policy the client's clock", function()
    local function clock() return 7 end
    assert.equal(clock, select(2, config_of { retry = true, clock = clock }).retry.clock)
  end)

  it("list the addresses of resolve by host, one or several each", function()
    local resolve = { ["b.example"] = { "::1", "127.0.0.2" }, ["a.example"] = "127.0.0.1" }
    assert.same({
      { host = "a.example", addresses = { "127.0.0.1" } },
      { host = "b.example", addresses = { "::1", "127.0.0.2" } },
    }, config_of({ resolve = resolve }).resolve)
  end)

  it("trace frames when on_frame is given", function()
    assert.is_true(config_of({ on_frame = print }).trace)
    assert.is_nil(config_of({}).trace)
  end)

  it("take a callable table as callback", function()
    local callable = setmetatable({}, { __call = print })
    assert.equal(callable, select(3, config_of { on_open = callable }).on_open)
  end)

  it("leave a server's role to wsclose.protocol", function()
    for _, make in ipairs { wsclose.new, wsclose.connect } do
      local ok, sentence = pcall(make, "ws://127.0.0.1:1/", { role = "server" })
      assert.is_false(ok)
      assert.truthy(sentence:find("option 'role': only wsclose.protocol", 1, true), sentence)
    end
  end)

  it("take a pin that begins with a slash, in each form", function()
    local digits = "/" .. ("A"):rep(42) .. "="
    local bytes = "\252" .. ("\0"):rep(31)
    for _, prefix in ipairs { "", "sha256/", "sha256//", "SHA256:" } do
      assert.equal(bytes, config_of({ tls = { pin = prefix .. digits } }).tls.pin[1])
    end
    assert.has_error(function() assert(config_of { tls = { pin = "sha256///" .. digits } }) end)
  end)
end)
