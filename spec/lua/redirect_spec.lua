-- Where a Location leads: RFC 3986 5.4's examples, as far as they make a WebSocket URL, and what
-- must not happen on the way.

local redirect = require "wsclose.redirect"

describe("a redirect's target", function()
  local base = "ws://a.example/b/c/d;p?q"
  for _, case in ipairs {
    -- RFC 3986 5.4.1
    { "g", "ws://a.example/b/c/g" },
    { "./g", "ws://a.example/b/c/g" },
    { "g/", "ws://a.example/b/c/g/" },
    { "/g", "ws://a.example/g" },
    { "//g.example", "ws://g.example/" },
    { "?y", "ws://a.example/b/c/d;p?y" },
    { "g?y", "ws://a.example/b/c/g?y" },
    { "g#s", "ws://a.example/b/c/g" },
    { "#s", "ws://a.example/b/c/d;p?q" },
    { ".", "ws://a.example/b/c/" },
    { "./", "ws://a.example/b/c/" },
    { "..", "ws://a.example/b/" },
    { "../g", "ws://a.example/b/g" },
    { "../..", "ws://a.example/" },
    { "../../g", "ws://a.example/g" },
    -- 5.4.2
    { "../../../g", "ws://a.example/g" },
    { "/./g", "ws://a.example/g" },
    { "/../g", "ws://a.example/g" },
    { "g.", "ws://a.example/b/c/g." },
    { "..g", "ws://a.example/b/c/..g" },
    { "./g/.", "ws://a.example/b/c/g/" },
    { "g/../h", "ws://a.example/b/c/h" },
    -- other schemes
    { "http://b.example/x", "ws://b.example/x" },
    { "https://b.example:8443/x?y", "wss://b.example:8443/x?y" },
    { "WSS://b.example", "wss://b.example/" },
    { "ws://b.example?y", "ws://b.example/?y" },
  } do
    it(("of %s is %s"):format(case[1], case[2]), function()
      assert.equal(case[2], (redirect.target(base, case[1])))
    end)
  end

  it("keeps a path that ends in a slash as the folder of a relative one", function()
    assert.equal("ws://a.example/b/x", (redirect.target("ws://a.example/b/", "x")))
    assert.equal("ws://a.example/x", (redirect.target("ws://a.example", "x")))
  end)

  it("keeps user and password on the same origin only", function()
    local from = "ws://me:pw@a.example/old"
    assert.equal("ws://me:pw@a.example/new", (redirect.target(from, "/new")))
    assert.equal("ws://me:pw@a.example/new", (redirect.target(from, "http://A.example:80/new")))
    assert.equal("ws://b.example/new", (redirect.target(from, "http://b.example/new")))
    assert.equal("ws://a.example:81/new", (redirect.target(from, "http://a.example:81/new")))
    assert.equal("wss://a.example/new", (redirect.target(from, "https://a.example/new")))
  end)

  for _, case in ipairs {
    { "wss://a.example/", "http://a.example/", "not encrypted" },
    { "wss://a.example/", "ws://a.example/", "not encrypted" },
    { "wss://a.example/", nil, "does not say where" },
    { "wss://a.example/", "", "does not say where" },
    { "ws://a.example/", "ftp://a.example/", "no WebSocket or HTTP URL" },
    { "ws://a.example/", "mailto:me@a.example", "no WebSocket or HTTP URL" },
    { "ws+unix:///run/feed.sock:/", "/x", "unix socket" },
  } do
    it(("is refused from %s to %s"):format(case[1], tostring(case[2])), function()
      local url, sentence = redirect.target(case[1], case[2])
      assert.is_nil(url)
      assert.matches(case[3], sentence, 1, true)
    end)
  end
end)

describe("the headers on the way", function()
  local flat = {
    "Authorization", "Bearer x", "X-Trace", "1", "cookie", "a=b", "Proxy-Authorization", "y",
  }

  it("all go to the same origin, whose default port may be written out", function()
    assert.same(flat, redirect.headers(flat, "ws://a.example/x", "ws://a.example/y"))
    assert.same(flat, redirect.headers(flat, "ws://a.example/x", "ws://A.EXAMPLE:80/y"))
    assert.same(flat, redirect.headers(flat, "wss://[::1]:443/x", "wss://[::1]/y"))
  end)

  for _, to in ipairs {
    "ws://b.example/", "ws://a.example:81/", "wss://a.example/", "ws://a.example.evil.example/",
  } do
    it("lose what is meant for one server on the way to " .. to, function()
      assert.same({ "X-Trace", "1" }, redirect.headers(flat, "ws://a.example/x", to))
    end)
  end

  it("may be none", function()
    assert.is_nil(redirect.headers(nil, "ws://a.example/", "ws://b.example/"))
  end)
end)

describe("a status", function()
  it("asks to go elsewhere when it is 301, 302, 303, 307 or 308", function()
    local found = {}
    for status = 300, 399 do
      if redirect.is_redirect(status) then found[#found + 1] = status end
    end
    assert.same({ 301, 302, 303, 307, 308 }, found)
  end)
end)
