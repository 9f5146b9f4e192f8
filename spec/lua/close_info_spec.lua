-- The table of on_close, in words.

local close_info = require "wsclose.close_info"

local function sentence(fields)
  local all = { url = "wss://feed.example/v1" }
  for name, value in pairs(fields) do all[name] = value end
  return tostring(close_info.new(all))
end

describe("the sentence about an end", function()
  for _, case in ipairs {
    {
      "by the peer",
      {
        code = 1001, reason = "restart", by = "peer", opened = true,
        duration = 12.34, retry_in = 2.1,
      },
      'connection to wss://feed.example/v1 closed by the peer: 1001 GOING_AWAY "restart" '
        .. "after 12.3 s; next attempt in 2.1 s",
    },
    {
      "by this client",
      { code = 4001, by = "client", opened = true, duration = 0.5 },
      "connection to wss://feed.example/v1 closed by this client: 4001 PRIVATE after 0.5 s",
    },
    {
      "by the network",
      {
        opened = true, duration = 100,
        error = { name = "reset", message = "connection reset by the peer", phase = "open" },
        undelivered = 120, retry_refused = "1006 ABNORMAL is not retried: no",
      },
      "connection to wss://feed.example/v1 lost: 1006 ABNORMAL, connection reset by the peer "
        .. "(reset in phase open) after 100 s; 120 bytes were not delivered; "
        .. "1006 ABNORMAL is not retried: no",
    },
    {
      "before it was open",
      { error = { name = "dns", message = "no such host", phase = "dns" }, by = "network" },
      "connection to wss://feed.example/v1 failed: 1006 ABNORMAL, no such host (dns in phase dns)",
    },
    {
      "by a required extension that is missing",
      {
        code = 1010, reason = "permessage-deflate", by = "client",
        error = { name = "extension", message = "lacks it", phase = "handshake" },
      },
      'connection to wss://feed.example/v1 failed: 1010 MANDATORY_EXTENSION "permessage-deflate", '
        .. "lacks it (extension in phase handshake)",
    },
    {
      "by a fault of the peer's, whose words our Close took along",
      {
        code = 1002, reason = "the server masked a fra", by = "client", opened = true,
        error = { name = "protocol", message = "the server masked a frame", phase = "open" },
      },
      "connection to wss://feed.example/v1 closed by this client: 1002 PROTOCOL_ERROR, "
        .. "the server masked a frame (protocol in phase open)",
    },
    {
      "by a peer whose reason stands in an error of ours",
      {
        code = 4000, reason = "time", by = "peer", opened = true,
        error = { name = "close_timeout", message = "time is up", phase = "close" },
      },
      'connection to wss://feed.example/v1 closed by the peer: 4000 PRIVATE "time", '
        .. "time is up (close_timeout in phase close)",
    },
    {
      "by close while connecting",
      { by = "client" },
      "connection to wss://feed.example/v1 cancelled: 1006 ABNORMAL",
    },
    {
      "with a reason of several lines, which stays one line",
      { code = 4000, reason = "a\r\nb", by = "peer", opened = true },
      'connection to wss://feed.example/v1 closed by the peer: 4000 PRIVATE "a??b"',
    },
  } do
    it(case[1] .. " is whole", function()
      assert.equal(case[3], sentence(case[2]))
    end)
  end

  it("shows neither user and password nor a query's values", function()
    for url, shown in pairs {
      ["ws://me:secret@a.example/x"] = "ws://a.example/x",
      ["wss:/me:secret@a.example/x"] = "wss:/a.example/x",
      ["wss:me:secret@a.example/x"] = "wss:a.example/x",
      ["/me:secret@a.example/x"] = "/a.example/x",
      ["me:secret@a.example/x"] = "a.example/x",
      ["ws://a.example/@x"] = "ws://a.example/@x",
      ["wss://tok%40en@a.example:1/x@y?z@"] = "wss://a.example:1/x@y?...",
      ["wss://a.example/x?v=1&token=s?=e"] = "wss://a.example/x?v=...&token=...",
      ["wss://a.example/x?"] = "wss://a.example/x?",
      ["ws://a.example/x@y"] = "ws://a.example/x@y",
    } do
      local info = close_info.new { url = url, by = "client" }
      assert.equal(("connection to %s cancelled: 1006 ABNORMAL"):format(shown), tostring(info))
      assert.matches("to " .. shown .. ":", close_info.why_not_open(info), 1, true)
    end
  end)

  it("goes without a URL where none is known", function()
    local info = close_info.new { code = 1000, by = "peer", opened = true }
    assert.equal("connection closed by the peer: 1000 NORMAL", tostring(info))
  end)
end)

describe("why there is no connection", function()
  it("is the error's sentence, else code, name and reason", function()
    local fault = { name = "dns", message = "no such host", phase = "dns" }
    assert.equal("cannot connect to ws://a/: no such host",
      close_info.why_not_open(close_info.new { url = "ws://a/", error = fault }))
    assert.equal("cannot connect to ws://a/: 1006 ABNORMAL",
      close_info.why_not_open(close_info.new { url = "ws://a/" }))
    assert.equal("cannot connect to ws://a/: 4000 PRIVATE bye",
      close_info.why_not_open(close_info.new { url = "ws://a/", code = 4000, reason = "bye" }))
  end)
end)

describe("a changed copy", function()
  it("leaves what was handed out as it was", function()
    local info = close_info.new { url = "ws://a/", retry_in = 2 }
    local copy = close_info.new({ retry_in = 3, dropped = 1 }, info)
    assert.equal(2, info.retry_in)
    assert.equal(0, info.dropped)
    assert.equal(3, copy.retry_in)
    assert.equal("ws://a/", copy.url)
    assert.matches("next attempt in 3 s", tostring(copy), 1, true)
  end)
end)

describe("the name of a code", function()
  for code, name in pairs {
    [1000] = "NORMAL", [1001] = "GOING_AWAY", [1005] = "NO_STATUS", [1010] = "MANDATORY_EXTENSION",
    [4999] = "PRIVATE", [3500] = "REGISTERED",
  } do
    it(("%d is %s"):format(code, name), function()
      assert.equal(name, close_info.new({ code = code }).name)
    end)
  end
end)
