local testing = require "wsclose.core_testing"
local uri, memory = testing.uri, testing.memory

local SCHEME = "the URL does not begin with ws://, wss://, ws+unix:// or wss+unix://"
local BLANK = "the URL holds a blank or a control byte"
local NOT_ASCII = "the URL holds a byte that is not ASCII (percent-encode it; xn-- in a host)"
local FRAGMENT = "the URL has a fragment, which RFC 6455 3 forbids (write # as %23)"
local ESCAPE = "the URL has a % that two hexadecimal digits do not follow"
local NO_HOST = "the URL has no host"
local BAD_PORT = "the URL's port is not a number from 1 to 65535"
local CONTROL = "the URL's user name or password decodes to a control byte"
local ENCODE = "the URL's user name or password holds a byte that must be percent-encoded"
local COLON = "the URL's user name decodes to one with a colon, which Basic auth cannot carry"
local NO_SOCKET = "the URL names no socket path (expected ws+unix:///path.sock:/resource)"
local SOCKET_CONTROL = "the URL's socket path decodes to a control byte"
local RESOURCE = "what follows the URL's socket path and colon must begin with / or ?"

local function parts(host, authority, port, target, more)
  local expected = {
    secure = false,
    ipv6 = false,
    host = host,
    authority = authority,
    port = port,
    target = target,
  }
  for key, value in pairs(more or {}) do
    expected[key] = value
  end
  return expected
end

local function socket(path, target, secure)
  return parts("localhost", "localhost", 0, target, { path = path, secure = secure or false })
end

local secure = { secure = true }
local GOOD = {
  { "ws://h", parts("h", "h", 80, "/") },
  { "ws://h/", parts("h", "h", 80, "/") },
  { "wss://h", parts("h", "h", 443, "/", secure) },
  { "WSS://H.Example/Path?Q", parts("h.example", "h.example", 443, "/Path?Q", secure) },
  { "ws://h?", parts("h", "h", 80, "/?") },
  { "ws://h?a=b/c", parts("h", "h", 80, "/?a=b/c") },
  { "ws://h/?a?b", parts("h", "h", 80, "/?a?b") },
  { "ws://h//a", parts("h", "h", 80, "//a") },
  { "ws://h/a:b@c", parts("h", "h", 80, "/a:b@c") },
  { "ws://h/%20%C3%a4%23", parts("h", "h", 80, "/%20%C3%a4%23") },
  { 'ws://h/"<>\\^`{|}', parts("h", "h", 80, '/"<>\\^`{|}') },

  -- ports, RFC 6455 3, RFC 3986 3.2.3
  { "ws://h:80", parts("h", "h", 80, "/") },
  { "wss://h:443", parts("h", "h", 443, "/", secure) },
  { "ws://h:443", parts("h", "h:443", 443, "/") },
  { "wss://h:80", parts("h", "h:80", 80, "/", secure) },
  { "ws://h:1", parts("h", "h:1", 1, "/") },
  { "ws://h:65535/", parts("h", "h:65535", 65535, "/") },
  { "ws://h:00080", parts("h", "h", 80, "/") },
  { "ws://h:08080", parts("h", "h:8080", 8080, "/") },
  { "ws://h:/a", parts("h", "h", 80, "/a") },

  -- userinfo, RFC 3986 3.2.1, RFC 7617
  { "ws://u:p@h", parts("h", "h", 80, "/", { userinfo = "u:p" }) },
  { "ws://u@h", parts("h", "h", 80, "/", { userinfo = "u:" }) },
  { "ws://u:@h", parts("h", "h", 80, "/", { userinfo = "u:" }) },
  { "ws://:p@h", parts("h", "h", 80, "/", { userinfo = ":p" }) },
  { "ws://@h", parts("h", "h", 80, "/") },
  { "ws://u:p:q@h:1", parts("h", "h:1", 1, "/", { userinfo = "u:p:q" }) },
  { "ws://u%40x:%3a%2F%3f%23@h", parts("h", "h", 80, "/", { userinfo = "u@x::/?#" }) },
  { "ws://%C3%A4:%ff%20@h", parts("h", "h", 80, "/", { userinfo = "\195\164:\255 " }) },
  { "ws://-._~!$&'()*+,;=:@h", parts("h", "h", 80, "/", { userinfo = "-._~!$&'()*+,;=:" }) },
  { "ws://u:%5b@[::1]", parts("::1", "[::1]", 80, "/", { userinfo = "u:[", ipv6 = true }) },

  -- sockets, as npm's ws writes them
  { "ws+unix:///run/a.sock", socket("/run/a.sock", "/") },
  { "ws+unix:///run/a.sock:", socket("/run/a.sock", "/") },
  { "ws+unix:///run/a.sock:/chat?x=1:2", socket("/run/a.sock", "/chat?x=1:2") },
  { "ws+unix:///run/a.sock:?x", socket("/run/a.sock", "/?x") },
  { "ws+unix:///run/a.sock?x", socket("/run/a.sock", "/?x") },
  { "WS+UNIX:///Run/A:/B", socket("/Run/A", "/B") },
  { "wss+unix:///a:/b:/c", socket("/a", "/b:/c", true) },
  { "ws+unix:///a%20b%3ac%25:/%20", socket("/a b:c%", "/%20") },
  { "ws+unix:////a", socket("//a", "/") },
}

local BAD = {
  { "", "the URL is empty" },

  -- schemes
  { "h", SCHEME },
  { "h:80", SCHEME },
  { "//h", SCHEME },
  { "/path", SCHEME },
  { "ws", SCHEME },
  { "ws:", SCHEME },
  { "ws:h", SCHEME },
  { "ws:/h", SCHEME },
  { "wss:/h", SCHEME },
  { "wsss://h", SCHEME },
  { "http://h", SCHEME },
  { "https://h/", SCHEME },
  { "unix:///a", SCHEME },
  { "ws+unix:/a", SCHEME },
  { "ws+unix:a", SCHEME },
  { "file:///a", SCHEME },

  -- bytes that may stand nowhere
  { " ws://h", BLANK },
  { "ws://h ", BLANK },
  { "ws://h/a b", BLANK },
  { "ws://h/\t", BLANK },
  { "ws://h/\r\nX-Evil: 1", BLANK },
  { "ws://h\n/", BLANK },
  { "ws://h/\127", BLANK },
  { "ws://h/\1", BLANK },
  { "ws://u\n@h", BLANK },
  { "ws://b\195\188cher.example", NOT_ASCII },
  { "ws://h/\195\164", NOT_ASCII },
  { "ws://h?\128", NOT_ASCII },
  { "ws+unix:///\255", NOT_ASCII },
  { "ws://h/#", FRAGMENT },
  { "ws://h#a", FRAGMENT },
  { "ws://h?a#b", FRAGMENT },
  { "ws+unix:///a:/b#c", FRAGMENT },
  { "ws://h/%", ESCAPE },
  { "ws://h/%2", ESCAPE },
  { "ws://h/%2g", ESCAPE },
  { "ws://h/%g2", ESCAPE },
  { "ws://h?%%41", ESCAPE },
  { "ws://%u:p@h", ESCAPE },
  { "ws+unix:///a%:/", ESCAPE },

  -- hosts; more in uri_host_spec.lua
  { "ws://", NO_HOST },
  { "ws:///", NO_HOST },
  { "ws:///path", NO_HOST },
  { "ws://?q", NO_HOST },
  { "ws://:80", NO_HOST },
  { "ws://u:p@", NO_HOST },
  { "ws://u:p@:80/", NO_HOST },

  -- ports
  { "ws://h:0", BAD_PORT },
  { "ws://h:00000", BAD_PORT },
  { "ws://h:65536", BAD_PORT },
  { "ws://h:99999999999999999999", BAD_PORT },
  { "ws://h:4294967376", BAD_PORT, "80 when cut to 32 bits" },
  { "ws://h:-1", BAD_PORT },
  { "ws://h:+80", BAD_PORT },
  { "ws://h:80a", BAD_PORT },
  { "ws://h:http", BAD_PORT },
  { "ws://h:0x50", BAD_PORT },
  { "ws://[::1]:0", BAD_PORT },
  { "ws://[::1]:x/", BAD_PORT },

  -- userinfo
  { "ws://u%0d%0a:p@h", CONTROL },
  { "ws://u:p%00@h", CONTROL },
  { "ws://u:%1f@h", CONTROL },
  { "ws://u:%7F@h", CONTROL },
  { "ws://good\\@evil", ENCODE, "a backslash, which some take for a slash" },
  { "ws://[::1]@evil", ENCODE },
  { "ws://u:p^@h", ENCODE },
  { 'ws://u:"@h', ENCODE },
  { "ws://u%3ax:p@h", COLON },
  { "ws://%3A@h", COLON },

  -- sockets
  { "ws+unix://", NO_SOCKET },
  { "ws+unix:///", NO_SOCKET },
  { "ws+unix:///:/", NO_SOCKET },
  { "ws+unix:///?q", NO_SOCKET },
  { "ws+unix://:/a", NO_SOCKET },
  { "ws+unix://run/a.sock", NO_SOCKET },
  { "ws+unix://localhost/run/a.sock", NO_SOCKET },
  { "wss+unix://u:p@/a", NO_SOCKET },
  { "ws+unix:///a%00b", SOCKET_CONTROL },
  { "ws+unix:///a%0Ab:/", SOCKET_CONTROL },
  { "ws+unix:///a:b", RESOURCE },
  { "ws+unix:///a:80/b", RESOURCE },
  { "ws+unix:///a::/b", RESOURCE },
}

describe("a URL, RFC 6455 3 and RFC 3986", function()
  local live_blocks

  before_each(function()
    collectgarbage()
    live_blocks = memory.live_blocks()
  end)

  after_each(function()
    memory.fail_at()
    assert.equal(live_blocks, memory.live_blocks())
  end)

  for _, case in ipairs(GOOD) do
    it(("is taken apart: %.60s"):format(case[1]), function()
      assert.is_true(uri.check(case[1]))
      assert.same(case[2], uri.parse(case[1]))
    end)
  end

  for _, case in ipairs(BAD) do
    local why = case[3] and " (" .. case[3] .. ")" or ""
    it(("is refused: %q, %s%s"):format(case[1], case[2], why), function()
      assert.same({ nil, case[2], "url" }, { uri.check(case[1]) })
      assert.same({ nil, case[2], "url" }, { uri.parse(case[1]) })
    end)
  end

  it("holds no byte that could end a header or a request line", function()
    local places = { "ws://h%sh/", "ws://h/a%sb", "ws://h?a%sb", "ws://u%su@h", "ws+unix:///a%sb" }
    local wrong = {}
    for _, place in ipairs(places) do
      for value = 1, 255 do
        if value <= 32 or value >= 127 then
          local text = place:gsub("%%s", function()
            return string.char(value)
          end)
          local _, sentence = uri.check(text)
          if sentence ~= (value >= 128 and NOT_ASCII or BLANK) then
            wrong[#wrong + 1] = text
          end
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("takes exactly the ports from 1 to 65535", function()
    local wrong = {}
    for port = 0, 70000 do
      local expected = port >= 1 and port <= 65535
      if (uri.check("ws://h:" .. port) ~= nil) ~= expected then
        wrong[#wrong + 1] = port
      end
    end
    assert.same({}, wrong)
  end)

  it("may be very long", function()
    local path = "/" .. ("p"):rep(100000)
    local user = ("u"):rep(10000)
    local parsed = uri.parse("ws://" .. user .. "@h:81" .. path)
    assert.is_true(parsed.target == path)
    assert.is_true(parsed.userinfo == user .. ":")
    assert.equal("h:81", parsed.authority)
  end)

  it("is checked without any memory", function()
    memory.fail_at(1, true)
    for _, case in ipairs(GOOD) do
      assert.is_true(uri.check(case[1]))
    end
    assert.equal(0, memory.attempts())
  end)

  it("leaves nothing behind when memory fails, or when it is refused", function()
    for _, case in ipairs(GOOD) do
      memory.fail_at()
      assert.is_table(uri.parse(case[1]))
      local attempts = memory.attempts()
      assert.is_true(attempts > 0)
      for n = 1, attempts do
        memory.fail_at(n)
        assert.same({ nil, nil, "memory" }, { uri.parse(case[1]) })
        assert.equal(live_blocks, memory.live_blocks())
      end
    end
    memory.fail_at()
    for _, case in ipairs(BAD) do
      uri.parse(case[1])
    end
    assert.equal(0, memory.attempts()) -- checked before memory is asked for
  end)
end)
