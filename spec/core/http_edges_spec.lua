-- HTTP at the edges: bytes just beside those that are allowed, and lines just too long.

local talk = require "support.talk"
local testing = require "wsclose.core_testing"

describe("a status line", function()
  for _, digits in ipairs { ":00", "/00", "1:0", "10:", "1/0", "099", "000" } do
    it("has three digits, the first no 0: not " .. digits, function()
      local status, sentence = testing.http.response("HTTP/1.1 " .. digits .. " x\r\n\r\n")
      assert.same({ nil, "the answer does not begin with an HTTP/1.x status line" },
        { status, sentence })
    end)
  end
end)

describe("a request's target", function()
  for _, byte in ipairs { "\9", "\128", "\255", "\233" } do
    it(("holds visible ASCII only: not %q"):format(byte), function()
      local method, sentence = testing.http.request("GET /" .. byte .. " HTTP/1.1\r\n\r\n")
      assert.same({ nil, "the request does not begin with an HTTP/1.x request line" },
        { method, sentence })
    end)
  end
end)

-- A refusal whose chunked body is the given one, before the deadline; nil: it is waited for.
local function body_of(chunks)
  local t = talk.new { timeouts = { handshake = 5 } }
  t:input "HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n"
  for at = 1, #chunks, 300 do t:input(chunks:sub(at, at + 299)) end
  local event = t:drain()[1]
  if event then return event[4].http.body end
  t:tick(5)
  local _, _, info = t:closed()
  return nil, info.http.body
end

describe("a chunked body", function()
  it("may have extensions in a chunk's line, which has 1024 bytes at the most", function()
    local fits, long = "3;" .. ("x"):rep(1020), "3;" .. ("x"):rep(1022)
    assert.equal("abc", body_of(fits .. "\r\nabc\r\n0\r\n\r\n"))
    assert.equal("", body_of(long .. "\r\nabc\r\n0\r\n\r\n"))
    assert.equal("", body_of(long .. "xx"))
    assert.same({ n = 2, nil, "" }, { n = 2, body_of(fits) })
  end)

  it("may have zeros before its size, of seven digits together", function()
    assert.equal("abc", body_of "0000003\r\nabc\r\n0\r\n\r\n")
    assert.equal("", body_of "00000003\r\nabc\r\n0\r\n\r\n")
  end)

  it("is kept as far as it came: not at all, or to the end of a chunk", function()
    for chunks, expected in pairs {
      ["5\r\n"] = "", ["5\r\nabc"] = "abc", ["3\r\nabc"] = "abc", ["3\r\nabc\r"] = "abc",
      ["3\r\nabc\r\n"] = "abc", ["3\r\nabc\r\n2\r\n"] = "abc",
    } do
      assert.same({ n = 2, nil, expected }, { n = 2, body_of(chunks) })
    end
  end)
end)

describe("the words of a body", function()
  for body, quoted in pairs {
    ["bad key\127more"] = "bad key", ["bad key\nmore"] = "bad key", ["bad key\0"] = "bad key",
    ["  bad key"] = "bad key",
  } do
    it(("end before a control byte: %q"):format(body), function()
      local t = talk.new()
      t:input("HTTP/1.1 403 No\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
      local _, _, info = t:closed()
      assert.equal(('the server answered 403 No: "%s"'):format(quoted), info.error.message)
    end)
  end
end)
