-- The whole way of an option from the program's table to the core's configuration: options.lua,
-- then src/binding/lua_options.c.

local options = require "wsclose.options"
local testing = require "wsclose.core_testing"

local function read(given)
  local settings = assert(options.read(given))
  return testing.options.read(settings.config)
end

local DEFAULTS = {
  server = false,
  headers = {}, proxy_headers = {},
  protocols = {},
  require_protocol = true,
  extensions = {
    {
      name = "permessage-deflate",
      params = { "client_max_window_bits" },
      required = false,
      require = {},
    },
  },
  level = -1, mem_level = 8, threshold = -1,
  message = 16777216, frame = 0, fragments = 262144, header = 16384, send_queue = 16777216,
  handshake_ms = 5000, close_ms = 5000, linger_ms = 2000, connect_ms = 10000, dns_ms = 5000,
  tls_ms = 5000, ping_interval_ms = 20000, ping_timeout_ms = 20000,
  trace = false, trace_payloads = false,
  family = 0, nodelay = true, resolve = {},
  tls = { verify = true, min_version = 0, session_cache = 8, pins = "" },
}

local function changed(base, changes)
  local copy = {}
  for name, value in pairs(base) do copy[name] = value end
  for name, value in pairs(changes) do copy[name] = value end
  return copy
end

describe("what the core gets", function()
  it("is the contract's defaults where nothing is said", function()
    assert.same(DEFAULTS, read(nil))
    assert.same(DEFAULTS, read {})
  end)

  local off = { extensions = {} }
  for _, case in ipairs {
    { { protocols = { "b", "a" } }, { protocols = { "b", "a" } } },
    { { require_protocol = false }, { require_protocol = false } },
    { { trace = true }, { trace = true } },
    { { on_frame = print }, { trace = true } },
    { { trace = "payload" }, { trace = true, trace_payloads = true } },
    { { trace = "payload", on_frame = print }, { trace = true, trace_payloads = true } },
    { { log = "frames" }, { trace = true } },
    { { log = "debug" }, {} },
    { { extensions = {} }, off },
    {
      {
        extensions = {
          { name = "x-y", a = true, b = "c", require = { "a", "b" } },
          { name = "permessage-deflate", required = true, client_max_window_bits = 9, level = 1,
            mem_level = 2, threshold = 3, server_no_context_takeover = true },
        },
      },
      {
        level = 1, mem_level = 2, threshold = 3,
        extensions = {
          { name = "x-y", params = { "a", "b=c" }, required = false, require = { "a", "b" } },
          {
            name = "permessage-deflate", required = true, require = {},
            params = { "client_max_window_bits=9", "server_no_context_takeover" },
          },
        },
      },
    },
    {
      { limits = { message = 1, frame = 2, fragments = 3, header = 4, send_queue = 5 } },
      { message = 1, frame = 2, fragments = 3, header = 4, send_queue = 5 },
    },
    { { limits = { frame = 2 ^ 40 } }, { frame = 2 ^ 40 } },
    {
      {
        timeouts = {
          connect = 1, dns = 1.5, tls = 2, handshake = 0.25, close = 0.0001, linger = 4,
        },
      },
      {
        connect_ms = 1000, dns_ms = 1500, tls_ms = 2000, handshake_ms = 250, close_ms = 1,
        linger_ms = 4000,
      },
    },
    {
      { timeouts = { connect = 0, dns = math.huge, tls = 2 ^ 33 } },
      { connect_ms = 0, dns_ms = 0, tls_ms = 0 },
    },
    { { timeouts = { linger = 0 } }, { linger_ms = 1 } },
    { { timeouts = { linger = math.huge } }, { linger_ms = 0 } },
    { { keepalive = false }, { ping_interval_ms = 0 } },
    { { keepalive = true }, {} },
    {
      { keepalive = { interval = 3, timeout = 4 } },
      { ping_interval_ms = 3000, ping_timeout_ms = 4000 },
    },
    { { keepalive = { timeout = 4 } }, { ping_timeout_ms = 4000 } },
    { { family = 6 }, { family = 6 } },
    { { bind = "127.0.0.1" }, { bind = "127.0.0.1" } },
    { { nodelay = false }, { nodelay = false } },
    { { proxy = false }, { proxy = "" } },
    { { proxy = "http://127.0.0.1:3128" }, { proxy = "http://127.0.0.1:3128" } },
    {
      { proxy_headers = { ["X-B"] = 2, ["X-A"] = "1" } },
      { proxy_headers = { "X-A: 1", "X-B: 2" } },
    },
    {
      { resolve = { ["b.example"] = "::1", ["a.example"] = { "127.0.0.1", "127.0.0.2" } } },
      { resolve = { ["b.example"] = { "::1" }, ["a.example"] = { "127.0.0.1", "127.0.0.2" } } },
    },
    {
      {
        tls = {
          verify = false, ca_file = "1", ca_path = "2", ca = "3", cert = "4", key = "5",
          password = "6", server_name = "7", ciphers = "8", min_version = "1.3", alpn = "9",
          keylog_file = "10", session_cache = 11, groups = "12",
          pin = { ("61"):rep(32), ("62"):rep(32) },
        },
      },
      {
        tls = {
          verify = false, ca_file = "1", ca_path = "2", ca = "3", cert = "4", key = "5",
          password = "6", server_name = "7", ciphers = "8", min_version = 13, alpn = "9",
          keylog_file = "10", session_cache = 11, groups = "12",
          pins = ("a"):rep(32) .. ("b"):rep(32),
        },
      },
    },
    {
      { role = "server" },
      {
        server = true,
        extensions = {
          { name = "permessage-deflate", params = {}, required = false, require = {} },
        },
      },
    },
  } do
    local names = {}
    for name in pairs(case[1]) do names[#names + 1] = name end
    it("is what the program says of " .. table.concat(names, ", "), function()
      assert.same(changed(DEFAULTS, case[2]), read(case[1]))
    end)
  end

  it("are long lists too", function()
    local many, expected = {}, {}
    for i = 1, 300 do
      local name = ("x-%03d"):format(i)
      many[i] = { name = name, a = i, require = { "a" } }
      expected[i] = { name = name, params = { "a=" .. i }, required = false, require = { "a" } }
    end
    assert.same(expected, read({ extensions = many }).extensions)
  end)

  -- Every field there is; the Lua side hands on only what is right, so each is said here.
  for path, expected in pairs {
    server = "boolean", trace = "boolean", trace_payloads = "boolean", require_protocol = "boolean",
    url = "string", pieces = "number", headers = "table", protocols = "table", extensions = "table",
    limits = "table", deflate = "table", timeouts = "table", keepalive = "table", tls = "table",
    family = "number", bind = "string", nodelay = "boolean", proxy = "string",
    proxy_headers = "table", resolve = "table",
    ["limits.message"] = "number", ["limits.frame"] = "number", ["limits.fragments"] = "number",
    ["limits.header"] = "number", ["limits.send_queue"] = "number", ["deflate.level"] = "number",
    ["deflate.mem_level"] = "number", ["deflate.threshold"] = "number",
    ["keepalive.interval"] = "number", ["keepalive.timeout"] = "number",
    ["timeouts.handshake"] = "number", ["timeouts.drain"] = "number",
    ["timeouts.close"] = "number", ["timeouts.linger"] = "number", ["timeouts.connect"] = "number",
    ["timeouts.dns"] = "number", ["timeouts.tls"] = "number", ["tls.verify"] = "boolean",
    ["tls.ca_file"] = "string", ["tls.ca_path"] = "string", ["tls.ca"] = "string",
    ["tls.cert"] = "string", ["tls.key"] = "string", ["tls.password"] = "string",
    ["tls.ciphers"] = "string", ["tls.groups"] = "string", ["tls.server_name"] = "string",
    ["tls.alpn"] = "string", ["tls.keylog_file"] = "string", ["tls.min_version"] = "number",
    ["tls.session_cache"] = "number", ["tls.pin"] = "table",
    ["extensions.1.name"] = "string", ["extensions.1.required"] = "boolean",
    ["extensions.1.params"] = "table", ["extensions.1.require"] = "table",
    ["resolve.1.host"] = "string", ["resolve.1.addresses"] = "table",
  } do
    it("is refused of the wrong type, with its name: " .. path, function()
      for _, value in ipairs { print, expected == "number" and "1" or 1 } do
        local config, names = {}, {}
        for name in path:gmatch "[^.]+" do names[#names + 1] = tonumber(name) or name end
        local place = config
        for i = 1, #names - 1 do
          place[names[i]] = {}
          place = place[names[i]]
        end
        place[names[#names]] = value
        local ok, message = pcall(testing.options.read, config)
        assert.is_false(ok)
        assert.equal(("wsclose.core: field '%s': expected %s, got %s"):format(names[#names],
          expected, type(value)), message:match "wsclose%.core:.*$")
      end
    end)
  end

  it("is refused of the wrong type in a list", function()
    for _, case in ipairs {
      { { headers = { "a", 1 } }, "(list)", "string" },
      { { headers = { 1, "a" } }, "(list)", "string" },
      { { protocols = { {} } }, "(list)", "string" },
      { { extensions = { 1 } }, "extensions", "table" },
      { { extensions = { { params = { "a", 1 } } } }, "(list)", "string" },
      { { extensions = { { params = { false, "a" } } } }, "(list)", "string" },
      { { extensions = { { require = { 1 } } } }, "(list)", "string" },
      { { tls = { pin = { "x" } } }, "pin", "32 bytes" },
      { { tls = { pin = { {} } } }, "pin", "32 bytes" },
      { { resolve = { 1 } }, "resolve", "table" },
      { { resolve = { { addresses = { false } } } }, "(list)", "string" },
    } do
      local ok, message = pcall(testing.options.read, case[1])
      assert.is_false(ok)
      assert.matches(("field '%s': expected %s, got "):format(case[2], case[3]), message, 1, true)
    end
  end)

  it("is nothing of what it does not know, nor of empty tables", function()
    local bare = testing.options.read {}
    for _, config in ipairs {
      { unknown = 1, [1] = "x", [true] = 2 }, { keepalive = true }, { headers = {} },
      { protocols = {} }, { extensions = {} }, { limits = {} }, { deflate = {} },
      { keepalive = {} }, { timeouts = {} }, { proxy_headers = {} }, { resolve = {} },
      { tls = { pin = {} } }, { limits = { unknown = "x" } },
    } do
      assert.same(bare, testing.options.read(config))
    end
  end)

  it("is an extension without a name, or without parameters, as it stands", function()
    local bare = { name = "", params = {}, required = false, require = {} }
    assert.same({ bare }, testing.options.read { extensions = { {} } }.extensions)
    local empty = { params = {}, require = {} }
    assert.same({ bare }, testing.options.read { extensions = { empty } }.extensions)
  end)
end)
