local testing = require "wsclose.core_testing"
local uri = testing.uri

local ESCAPE = "the URL has a % that two hexadecimal digits do not follow"
local NO_HOST = "the URL has no host"
local BAD_NAME = "the URL's host is not a DNS name"
local BAD_ADDRESS = "the URL's host is neither a name nor a dotted IPv4 address"
local BAD_IPV6 = "the URL's host is not an IPv6 address in brackets"
local ZONE = "the URL's IPv6 zone is not %25 and then letters, digits, - . _ or ~"
local COLONS = "the URL's host has colons (an IPv6 address stands in brackets)"

local label63 = ("a"):rep(63)
local name253 = ("a."):rep(126) .. "b"

local GOOD = {
  "a-b.c_d.example.",
  "xn--4ca.example",
  label63,
  name253,
  name253 .. ".",
  "1.2.3.4a",
  "3com.example",
  "0xg",
  "deadbeef",
  "127.0.0.1",
  "255.255.255.255",
  "0.0.0.0",
  "10.20.30.40",
}

local BAD = {
  { ".", BAD_NAME },
  { "..", BAD_NAME },
  { ".a", BAD_NAME },
  { "a..b", BAD_NAME },
  { "a..", BAD_NAME },
  { "a%2eb", BAD_NAME, "percent escapes are not decoded" },
  { "h%0d%0aX", BAD_NAME },
  { "h%00", BAD_NAME },
  { "a~b", BAD_NAME },
  { "good\\.evil", BAD_NAME },
  { "a@b@c", BAD_NAME, "which @ ends the user's name?" },
  { "a[b]", BAD_NAME },
  { "a]", BAD_NAME },
  { label63 .. "a", BAD_NAME, "a label of 64 bytes" },
  { label63 .. "a.example", BAD_NAME, "a label of 64 bytes that is not the last" },
  { name253 .. "c", BAD_NAME, "254 bytes" },
  { name253 .. "c.", BAD_NAME, "254 bytes and the root's dot" },

  -- what some resolvers take for an address
  { "1.2.3", BAD_ADDRESS },
  { "127.1", BAD_ADDRESS },
  { "1", BAD_ADDRESS },
  { "2130706433", BAD_ADDRESS },
  { "0x7f000001", BAD_ADDRESS },
  { "0X7F.1", BAD_ADDRESS },
  { "1.2.3.0x4", BAD_ADDRESS },
  { "a.0x", BAD_ADDRESS },
  { "0177.0.0.1", BAD_ADDRESS },
  { "127.0.0.01", BAD_ADDRESS },
  { "00.0.0.0", BAD_ADDRESS },
  { "256.0.0.1", BAD_ADDRESS },
  { "1.2.3.1000", BAD_ADDRESS },
  { "1.2.3.4.5", BAD_ADDRESS },
  { "1.2.3.4.", BAD_ADDRESS },
  { "example.1", BAD_ADDRESS },

  -- brackets
  { "[::1", BAD_IPV6 },
  { "[]", BAD_IPV6 },
  { "[::1]a", BAD_IPV6 },
  { "[::1]80", BAD_IPV6 },
  { "[::1]]", BAD_IPV6 },
  { "[[::1]]", BAD_IPV6 },
  { "[example.org]", BAD_IPV6 },
  { "[fe80::1%25]", ZONE },
  { "[fe80::1%25a%20b]", ZONE },
  { "[fe80::1%25a/b]", BAD_IPV6 },
  { "[fe80::1%25a:b]", ZONE },
  { "[fe80::1%ba]", ZONE },
  { "[fe80%25eth0]", BAD_IPV6 },
  { "[%25eth0]", BAD_IPV6 },
  { "[fe80::1%eth0]", ESCAPE },
  { "::1", COLONS },
  { "2001:db8::1", COLONS },
  { "h:1:2", COLONS },
  { "", NO_HOST },
  { ":80", NO_HOST },
}

local GOOD_IPV6 = {
  "::",
  "::1",
  "1::",
  "1:2:3:4:5:6:7:8",
  "2001:DB8::A",
  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "1:2:3:4:5:6:7::",
  "::2:3:4:5:6:7:8",
  "1::3:4:5:6:7:8",
  "0001:0:00:000::",
  "::1.2.3.4",
  "::ffff:192.0.2.128",
  "1:2:3:4:5:6:1.2.3.4",
  "1:2:3:4:5::1.2.3.4",
  "64:ff9b::255.255.255.255",
}

local BAD_IPV6S = {
  ":",
  ":::",
  ":1",
  "1:",
  "1",
  "1:2",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "::1:2:3:4:5:6:7:8",
  "1:2:3:4::5:6:7:8",
  "1::2::3",
  "1:::2",
  "::1::",
  "1:2:3:4:5:6:7:",
  "1:2:3:4:5:6:7:8:",
  "::1:",
  ":1:2:3:4:5:6:7",
  "12345::",
  "::00001",
  "g::",
  "::g",
  "1.2.3.4",
  "::1.2.3",
  "::1.2.3.4.5",
  "::1.2..4",
  "::1.2.3.",
  "::1.2.3.256",
  "::1.2.3.04",
  "::1.2.3.4:5",
  "1.2.3.4::",
  "::a.2.3.4",
  "1:2:3:4:5:6:7:1.2.3.4",
  "1:2:3:4:5:6::1.2.3.4",
  "v1.fe80::a",
  "::1/",
  "-::1",
}

describe("the host of a URL", function()
  for _, host in ipairs(GOOD) do
    it(("may be a name or an IPv4 address: %.60s"):format(host), function()
      for _, case in ipairs { host, host:upper() } do
        local parsed = assert(uri.parse("ws://" .. case .. ":81/"))
        assert.equal(host, parsed.host)
        assert.equal(host .. ":81", parsed.authority)
        assert.is_false(parsed.ipv6)
      end
    end)
  end

  for _, case in ipairs(BAD) do
    local why = case[3] and " (" .. case[3] .. ")" or ""
    it(("may not be %.60s: %s%s"):format(case[1], case[2], why), function()
      for _, behind in ipairs { "", "/", "?q", "/a@b:c" } do
        assert.same({ nil, case[2], "url" }, { uri.check("ws://" .. case[1] .. behind) })
      end
    end)
  end

  for _, address in ipairs(GOOD_IPV6) do
    it("may be the IPv6 address " .. address .. ", RFC 4291 2.2", function()
      local host = address:lower()
      local parsed = assert(uri.parse("ws://[" .. address .. "]:81/a"))
      assert.equal(host, parsed.host)
      assert.equal("[" .. host .. "]:81", parsed.authority)
      assert.equal(81, parsed.port)
      assert.is_true(parsed.ipv6)
      assert.equal("[" .. host .. "]", uri.parse("wss://[" .. address .. "]:443").authority)
    end)
  end

  it("may have an IPv6 zone, which is for dialling only, RFC 6874", function()
    local parsed = assert(uri.parse "wss://[FE80::1%25br-Lan_0.~]:81/a")
    assert.same({ "fe80::1", "fe80::1%br-Lan_0.~", "[fe80::1]:81", 81, "/a" },
      { parsed.host, parsed.dial_host, parsed.authority, parsed.port, parsed.target })
  end)

  for _, address in ipairs(BAD_IPV6S) do
    it("may not be [" .. address .. "], RFC 4291 2.2", function()
      assert.same({ nil, BAD_IPV6, "url" }, { uri.check("ws://[" .. address .. "]/") })
    end)
  end

  it("may hold letters, digits, hyphens, underscores and dots, and nothing else", function()
    local wrong = {}
    for value = 33, 126 do
      local c = string.char(value)
      local delimiter = ("#%/:?@[]"):find(c, 1, true)
      local expected = c:find "^[%w._-]$" ~= nil
      if not delimiter and (uri.check("ws://a" .. c .. "b") ~= nil) ~= expected then
        wrong[#wrong + 1] = c
      end
    end
    assert.same({}, wrong)
  end)
end)
