-- Addresses as text and back.
local testing = require "wsclose.core_testing"

local address = testing.net.address

describe("an address", function()
  for _, case in ipairs {
    { "127.0.0.1", 80, "127.0.0.1", 4, "127.0.0.1 port 80" },
    { "255.255.255.255", 65535, "255.255.255.255", 4, "255.255.255.255 port 65535" },
    { "::1", 443, "::1", 6, "::1 port 443" },
    { "2001:DB8:0:0::1", 1, "2001:db8::1", 6, "2001:db8::1 port 1" },
    { "::ffff:192.0.2.1", 80, "::ffff:192.0.2.1", 6, "::ffff:192.0.2.1 port 80" },
    { "fe80::1%1", 80, "fe80::1%1", 6, "fe80::1%1 port 80", why = "RFC 4007 11, a number" },
    { "fe80::1%lo", 80, "fe80::1%1", 6, "fe80::1%1 port 80", why = "RFC 4007 11, a name" },
    { "fe80::1%4294967295", 0, "fe80::1%4294967295", 6, "fe80::1%4294967295 port 0" },
  } do
    it(case[1] .. " is understood" .. (case.why and ": " .. case.why or ""), function()
      assert.same({ case[3], case[2], case[4], case[5] }, { address.parse(case[1], case[2]) })
    end)
  end

  it("of IPv4 is written with every octet that there is", function()
    for octet = 0, 255 do
      local text = ("%d.%d.%d.%d"):format(octet, 255 - octet, octet, octet)
      assert.equal(text, (address.parse(text, 80)))
    end
  end)

  for _, text in ipairs {
    "",
    "localhost",
    "127.0.0",
    "127.1",
    "127.0.0.256",
    "127.0.0.01",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.1:80",
    "0x7f.0.0.1",
    "[::1]",
    "::1::",
    ":",
    "1:2:3:4:5:6:7",
    "12345::",
    "fe80::1%",
    "fe80::1%nosuchinterface",
    "fe80::1%1x",
    "fe80::1%-1",
    "fe80::1% 1",
    "fe80::1%4294967296",
    "127.0.0.1%1",
    ("1"):rep(45),
    ("1"):rep(46),
    ("1"):rep(4000),
    "::1" .. ("%"):rep(4000),
  } do
    it(("%q is none"):format(#text > 60 and text:sub(1, 4) .. "… " .. #text or text), function()
      assert.is_nil(address.parse(text, 80))
    end)
  end
end)

describe("the path of a unix socket", function()
  it("is its own text, with port 0 and no family", function()
    assert.same({ "/run/feed.sock", 0, 0, "/run/feed.sock" }, { address.unix "/run/feed.sock" })
  end)

  it("has 107 bytes at most", function()
    local path = "/" .. ("a"):rep(106)
    assert.equal(path, (address.unix(path)))
    assert.is_nil(address.unix(path .. "a"))
    assert.is_nil(address.unix(path:rep(100)))
  end)

  it("is not empty", function()
    assert.is_nil(address.unix "")
  end)
end)
