-- A proxy's URL and headers at the edges; spec/net/proxy/proxy_spec.lua has the tables.

local testing = require "wsclose.core_testing"

local core = testing.open_core()

describe("a proxy's URL", function()
  for url, fault in pairs {
    ["http://u%4g:p@p"] = "the proxy URL has a broken percent escape",
    ["http://u%g4:p@p"] = "the proxy URL has a broken percent escape",
    ["http://u:p%7f@p"] = "the proxy's user or password has a control character",
    ["http://u%1f:p@p"] = "the proxy's user or password has a control character",
    ["http://u%3av:p@p"] = "the proxy's user has a colon, which Basic authentication cannot carry",
    ["https://u%3av:p@p"] = "the proxy's user has a colon, which Basic authentication cannot carry",
    ["http://" .. ("h"):rep(256)] = "the proxy's host is neither a name nor an address",
    ["socks5://" .. ("u"):rep(256) .. "@p"] =
      "the proxy's user or password is longer than the 255 bytes that SOCKS5 can carry",
  } do
    it("is refused: " .. url:sub(1, 30), function()
      assert.same({ nil, fault, "url" }, { core.check_proxy(url) })
      assert.same({ nil, fault, "url" }, { core.tunnel("ws://h/", url) })
    end)
  end

  it("may have a colon in a password, and in a user of SOCKS5", function()
    assert.equal("a:b", testing.proxy.choose("ws://h/", "http://u:a%3ab@p").password)
    local socks = testing.proxy.choose("ws://h/", "socks5h://u%3av:p%7e@p")
    assert.same({ "u:v", "p~" }, { socks.user, socks.password })
  end)

  it("may have a host of 255 bytes", function()
    local host = ("h"):rep(255)
    assert.equal(host, testing.proxy.choose("ws://h/", "http://" .. host).host)
  end)

  it("may be empty: then there is none", function()
    assert.is_true(core.check_proxy "")
  end)
end)

describe("headers for a proxy", function()
  it("are refused for the first of them that is wrong", function()
    for _, headers in ipairs {
      { "X", "1\n", "Y", "2" }, { "X", "1", "Y", "2\n" }, { "X", "1\n", "Host", "h" },
    } do
      assert.same({ nil, "a header's value must not hold CR, LF or NUL", "url" },
        { core.tunnel("ws://h/", "http://p", headers) })
    end
    assert.same({ nil, "the Host of a tunnel is the server's", "url" },
      { core.tunnel("ws://h/", "http://p", { "X", "1", "host", "h", "Y", "2\n" }) })
  end)
end)
