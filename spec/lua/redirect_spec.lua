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

  it("writes its scheme in small letters where that of the first URL is not", function()
    assert.equal("wss://g.example/", (redirect.target("Wss://a.example", "//g.example")))
  end)

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
    { "ws://a.example/", "http:b.example", "no WebSocket or HTTP URL" },
    { "ws://a.example/", "https://b.example:0/x?key=1",
      "leads to wss://b.example:0/x?key=...: the URL's port is not a number from 1 to 65535" },
    { "ws://a.example/", "me:pw@b.example/", "leads to b.example/, which is no" },
    { "ws://a.example/", "wss:me:pw@b.example/", "leads to wss:b.example/, which is no" },
    { "ws://a.example/", "//me:pw@b..example/", "leads to ws://b..example/: the URL's host" },
    { "ws://a.example/", "/a b", "the URL holds a blank or a control byte" },
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
    "Authorization", "Bearer x", "host", "h", "X-Trace", "1", "cookie", "a=b",
    "Proxy-Authorization", "y",
  }

  it("lose what is meant for one server on the way to another", function()
    assert.same({ "X-Trace", "1" }, redirect.headers(flat))
    assert.is_nil(redirect.headers(nil))
  end)
end)

describe("settings for another origin", function()
  it("say neither who the client is nor who the first server was", function()
    local config = {
      url = "x", headers = { "Cookie", "a=b", "X", "1" },
      tls = {
        ca = "C", cert = "c", key = "k", password = "p", server_name = "s", pin = { "1" },
        verify = true,
      },
    }
    local copy = redirect.config(config)
    assert.same({ url = "x", headers = { "X", "1" }, tls = { ca = "C", verify = true } }, copy)
    assert.equal("c", config.tls.cert)
    assert.same({ tls = {} }, redirect.config {})
  end)
end)

describe("the same origin", function()
  for _, case in ipairs {
    { true, "ws://a.example/x", "ws://a.example/y" },
    { true, "ws://a.example/x", "ws://A.EXAMPLE:80/y" },
    { true, "wss://[::1]:443/x", "wss://[::1]/y" },
    { true, "wss://[::1]:0443/x", "wss://u:pw@[::1]/y" },
    { true, "ws://10.0.0.5/", "ws://10.0.0.5:80/" },
    { false, "ws://a.example/x", "ws://b.example/" },
    { false, "ws://a.example/x", "ws://a.example:81/" },
    { false, "ws://a.example/x", "wss://a.example/" },
    { false, "ws://a.example/x", "ws://a.example.evil.example/" },
    -- the port stands behind a colon only
    { false, "wss://node1/", "wss://node:1/" },
    { false, "ws://10.0.0.5/", "ws://10.0.0.:5/" },
    { false, "wss://[::1]/", "wss://[::]:1/" },
  } do
    it(("is %s for %s and %s"):format(tostring(case[1]), case[2], case[3]), function()
      assert.equal(case[1], redirect.origin(case[2]) == redirect.origin(case[3]))
    end)
  end

  it("keeps the client's own user and password, another one has its own port", function()
    assert.equal("ws://u:pw@10.0.0.5/y", (redirect.target("ws://u:pw@10.0.0.5/", "/y")))
    assert.equal("ws://u:pw@10.0.0.5/", (redirect.target("ws://u:pw@10.0.0.5/", "ws://10.0.0.5/")))
    assert.equal("wss://node:1/y", (redirect.target("wss://node1/", "https://node:1/y")))
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
