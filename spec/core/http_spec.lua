local testing = require "wsclose.core_testing"
local http, memory = testing.http, testing.memory

local NO_STATUS = "the answer does not begin with an HTTP/1.x status line"
local NO_REQUEST = "the request does not begin with an HTTP/1.x request line"
local CONTROL = "the HTTP head holds a control byte"
local NO_COLON = "a header line has no colon"
local BLANK = "a header line has a blank before its colon"
local NO_TOKEN = "a header's name is not a token"
local FOLDED_FIRST = "a header line is folded before the first header"
local TOO_MANY = "the HTTP head has more than 128 header lines"

local OK = "HTTP/1.1 101 Switching Protocols\r\n"

local function response_of(lines)
  return http.response(OK .. lines .. "\r\n")
end

describe("the end of a head, RFC 9112 2.1", function()
  for _, case in ipairs {
    { "HTTP/1.1 101 X\r\nA: b\r\n\r\n", "CRLF" },
    { "HTTP/1.1 101 X\nA: b\n\n", "bare LF, 2.2" },
    { "HTTP/1.1 101 X\r\nA: b\n\r\n", "a line with LF, then CRLF" },
    { "HTTP/1.1 101 X\r\nA: b\r\n\n", "a line with CRLF, then LF" },
    { "\r\n", "an empty head" },
    { "\n", "an empty head with LF" },
    { "GET / HTTP/1.1\r\nA:\r\n \r\n\r\n", "a folded line of blanks is not empty" },
    { "A\r\r\n\r\n", "a CR too many is not an empty line" },
    { "A\0\r\n\0\r\n\r\n", "NULs do not hide it" },
  } do
    it("is found with " .. case[2] .. ", however the bytes are cut", function()
      local head = case[1]
      assert.same({ #head, #head }, { http.find_end(head) })
      assert.equal(#head, (http.find_end(head .. "\129\5\r\n\r\nmore")))
      for cut = 0, #head - 1 do
        local found, scanned = http.find_end(head:sub(1, cut))
        assert.equal(0, found)
        assert.equal(cut, scanned)
        assert.equal(#head, (http.find_end(head, scanned)))
        assert.equal(#head, (http.find_end(head .. "\129\5hello", scanned)))
      end
    end)
  end
end)

describe("an HTTP answer, RFC 9112", function()
  local live_blocks

  before_each(function()
    collectgarbage()
    live_blocks = memory.live_blocks()
  end)

  after_each(function()
    memory.fail_at()
    assert.equal(live_blocks, memory.live_blocks())
  end)

  for _, case in ipairs {
    { "HTTP/1.1 101 Switching Protocols", 101, 1, "Switching Protocols" },
    { "HTTP/1.1 101 ", 101, 1, "" },
    { "HTTP/1.1 101", 101, 1, "" },
    { "HTTP/1.0 200 OK", 200, 0, "OK" },
    { "HTTP/1.9 999 \233\t!", 999, 9, "\233\t!" },
    { "HTTP/1.1 404  Not  Found ", 404, 1, " Not  Found " },
    { "HTTP/1.1 100 Continue", 100, 1, "Continue" },
  } do
    it(("begins with a status line: %q"):format(case[1]), function()
      for _, line_end in ipairs { "\r\n", "\n" } do
        local head = http.response(case[1] .. line_end .. line_end)
        assert.same({ status = case[2], minor = case[3], reason = case[4], headers = {} }, head)
      end
    end)
  end

  for _, line in ipairs {
    "",
    "H",
    "HTTP/1.1",
    "HTTP/1.1 ",
    "HTTP/1.1 1",
    "HTTP/1.1 10",
    "HTTP/1.1 1010",
    "HTTP/1.1 101x",
    "HTTP/1.1 099 X",
    "HTTP/1.1 +11 X",
    "HTTP/1.1  101 X",
    "HTTP/1.1\t101 X",
    "HTTP/1. 101 X",
    "HTTP/1.x 101 X",
    "HTTP/1.11 101 X",
    "HTTP/2 101 X",
    "HTTP/2.0 101 X",
    "HTTP/0.9 101 X",
    "http/1.1 101 X",
    "HTTP 1.1 101 X",
    " HTTP/1.1 101 X",
    "ICY 200 OK",
    "GET / HTTP/1.1",
    "SSH-2.0-OpenSSH_9.2",
    "220 smtp.example ESMTP",
  } do
    it(("does not begin with %q"):format(line), function()
      assert.same({ nil, NO_STATUS, "handshake" }, { http.response(line .. "\r\n\r\n") })
    end)
  end

  for _, case in ipairs {
    { "A: b\r\n", { { "A", "b" } }, "one line" },
    { "A:b\r\n", { { "A", "b" } }, "no blank behind the colon, 5" },
    { "A:  \t b \t \r\n", { { "A", "b" } }, "blanks around the value, 5.1" },
    { "A:\r\n", { { "A", "" } }, "an empty value" },
    { "A: \t\r\n", { { "A", "" } }, "a value of blanks" },
    { "A: b\nC: d\r\n", { { "A", "b" }, { "C", "d" } }, "bare LF" },
    { "a-B: C\r\n", { { "a-B", "C" } }, "any case, kept" },
    { "A: b:c: d\r\n", { { "A", "b:c: d" } }, "colons in the value" },
    { "A: \195\164\255\r\n", { { "A", "\195\164\255" } }, "bytes that are not ASCII" },
    { "A: b\tc\r\n", { { "A", "b\tc" } }, "a tab within the value" },
    { "A: 1\r\nB: 2\r\na: 3\r\n", { { "A", "1" }, { "B", "2" }, { "a", "3" } }, "repeated names" },
    { "!#$%&'*+-.^_`|~09azAZ: x\r\n", { { "!#$%&'*+-.^_`|~09azAZ", "x" } }, "all of tchar" },
    { "A: b\r\n c\r\n", { { "A", "b c" } }, "a folded line, 5.2" },
    { "A: b \r\n\t  c \r\n", { { "A", "b c" } }, "a folded line with more blanks" },
    { "A:\r\n b\r\n", { { "A", "b" } }, "an empty value, then folded" },
    { "A: b\r\n \t \r\n c\r\n", { { "A", "b c" } }, "a folded line of blanks only" },
    { "A: b\n c\r\n\td\nE: f\r\n", { { "A", "b c d" }, { "E", "f" } }, "folded twice" },
    { "A: b\r\n c: d\r\n", { { "A", "b c: d" } }, "a folded line that looks like a header" },
  } do
    it("has header lines: " .. case[3], function()
      assert.same(case[2], response_of(case[1]).headers)
      assert.same(case[2], http.request("GET / HTTP/1.1\r\n" .. case[1] .. "\r\n").headers)
    end)
  end

  for _, case in ipairs {
    { "A b\r\n", NO_COLON, "no colon" },
    { "A\r\n", NO_COLON, "a name alone" },
    { "A : b\r\n", BLANK, "a blank before the colon, 5.1" },
    { "A\t: b\r\n", BLANK, "a tab before the colon" },
    { ": b\r\n", NO_TOKEN, "no name" },
    { "A B: c\r\n", NO_TOKEN, "a blank in the name" },
    { "A(: c\r\n", NO_TOKEN, "a delimiter in the name" },
    { '"A": c\r\n', NO_TOKEN, "a quoted name" },
    { "\195\164: c\r\n", NO_TOKEN, "a name that is not ASCII" },
    { " A: b\r\n", FOLDED_FIRST, "folded before the first" },
    { "\t\r\n", FOLDED_FIRST, "a blank line" },
    { "A: b\0c\r\n", CONTROL, "NUL in a value" },
    { "A\0: b\r\n", CONTROL, "NUL in a name" },
    { "A: b\rc\r\n", CONTROL, "a bare CR" },
    { "A: b\r\r\n", CONTROL, "two CRs" },
    { "A: \1\r\n", CONTROL, "a control byte" },
    { "A: \27[31m\r\n", CONTROL, "an escape sequence" },
    { "A: \127\r\n", CONTROL, "DEL" },
    { "A: b\r\n \8c\r\n", CONTROL, "a control byte in a folded line" },
    { "A: b\r\nC\r\n", NO_COLON, "a fault behind a good line" },
  } do
    it("is refused for its header lines: " .. case[3], function()
      assert.same({ nil, case[2], "handshake" }, { response_of(case[1]) })
      assert.same(
        { nil, case[2], "handshake" },
        { http.request("GET / HTTP/1.1\r\n" .. case[1] .. "\r\n") }
      )
    end)
  end

  it("is refused for a control byte in the status line", function()
    for _, byte in ipairs { "\0", "\1", "\r", "\27", "\127" } do
      local head = "HTTP/1.1 101 a" .. byte .. "b\r\n\r\n"
      assert.same({ nil, CONTROL, "handshake" }, { http.response(head) })
    end
  end)

  it("refuses each control byte but the tab, and takes all other bytes in a value", function()
    local wrong = {}
    for value = 0, 255 do
      local good = value == 9 or value >= 32 and value ~= 127
      if value ~= 10 and (response_of("A: x" .. string.char(value) .. "y\r\n") ~= nil) ~= good then
        wrong[#wrong + 1] = value
      end
    end
    assert.same({}, wrong)
  end)

  it("takes 128 header lines and no more, folded ones counted", function()
    assert.equal(128, #response_of(("A: b\r\n"):rep(128)).headers)
    assert.equal(1, #response_of("A: b\r\n" .. (" c\r\n"):rep(127)).headers)
    assert.same({ nil, TOO_MANY, "handshake" }, { response_of(("A: b\r\n"):rep(129)) })
    assert.same({ nil, TOO_MANY, "handshake" }, { response_of("A: b\r\n" .. (" c\r\n"):rep(128)) })
    assert.same({ nil, TOO_MANY, "handshake" }, { http.response(("\r\n"):rep(200)) })
  end)

  it("asks for no memory when it has too many lines", function()
    memory.fail_at()
    response_of(("A: b\r\n"):rep(129))
    assert.equal(0, memory.attempts())
  end)

  it("is refused when it ends within a line, and never read beyond its end", function()
    local head = OK .. "Upgrade: websocket\r\nA: b\r\n c\r\n\r\n"
    for cut = 0, #head - 3 do
      local parsed = http.response(head:sub(1, cut))
      local whole_lines = cut > 0 and head:sub(cut, cut) == "\n"
      assert.equal(whole_lines, parsed ~= nil, cut)
    end
  end)

  it("leaves nothing behind when memory fails", function()
    local head = OK .. "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    memory.fail_at()
    assert.is_table(http.response(head))
    local attempts = memory.attempts()
    assert.is_true(attempts > 0)
    for n = 1, attempts do
      for _, on in ipairs { false, true } do
        memory.fail_at(n, on)
        assert.same({ nil, nil, "memory" }, { http.response(head) })
        memory.fail_at(n, on)
        assert.same({ nil, nil, "memory" }, { http.request("GET / HTTP/1.1\r\n\r\n") })
        assert.equal(live_blocks, memory.live_blocks())
      end
    end
  end)
end)

describe("an HTTP request, RFC 9112 3", function()
  it("has a method, a target and a version", function()
    assert.same(
      { status = 0, minor = 1, reason = "", method = "GET", target = "/~a?b!", headers = {} },
      http.request "GET /~a?b! HTTP/1.1\r\n\r\n"
    )
    assert.equal(0, http.request("OPTIONS * HTTP/1.0\n\n").minor)
  end)

  for _, line in ipairs {
    "",
    "GET",
    "GET ",
    "GET /",
    "GET / ",
    "GET  HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET / HTTP/1.12",
    "GET / HTTP/2.0",
    "GET / http/1.1",
    "GET /a b HTTP/1.1",
    "GET /\195\164 HTTP/1.1",
    "GET\t/ HTTP/1.1",
    "G(T / HTTP/1.1",
    " GET / HTTP/1.1",
    "HTTP/1.1 101 Switching Protocols",
  } do
    it(("does not begin with %q"):format(line), function()
      assert.same({ nil, NO_REQUEST, "handshake" }, { http.request(line .. "\r\n\r\n") })
    end)
  end

  it("has no version on its second line", function()
    local text = "GET /\n HTTP/1.1\0\r\n\r\n"
    assert.same({ nil, NO_REQUEST, "handshake" }, { http.request(text) })
  end)
end)

describe("looking into a head", function()
  local answer = OK
    .. "Upgrade: WebSocket\r\nconnection: keep-alive , Upgrade\r\nCONNECTION:close\r\n"
    .. "Empty:\r\nCommas: ,, a ,\t,b\t,\r\nUpgraded: no\r\n\r\n"

  it("finds each line of a name, in any case", function()
    assert.same({ { "WebSocket" }, 1 }, { http.find(answer, "upgrade") })
    assert.same({ { "keep-alive , Upgrade", "close" }, 2 }, { http.find(answer, "Connection") })
    assert.same({ { "" }, 1 }, { http.find(answer, "EMPTY") })
    assert.same({ {}, 0 }, { http.find(answer, "Upgrad") })
    assert.same({ {}, 0 }, { http.find(answer, "") })
    assert.same({ {}, 0 }, { http.find(OK .. "\r\n", "Upgrade") })
  end)

  for _, case in ipairs {
    { "Connection", "upgrade", true, "an element of a list, in any case" },
    { "Connection", "close", true, "an element on a second line" },
    { "Connection", "keep-alive", true, "the first element, a blank behind it" },
    { "Connection", "keep", false, "the beginning of an element" },
    { "Connection", "upgrade2", false, "more than an element" },
    { "Connection", "", false, "nothing" },
    { "Upgrade", "websocket", true, "a value alone" },
    { "Upgraded", "websocket", false, "the value of another name" },
    { "Empty", "a", false, "an empty value" },
    { "Missing", "a", false, "a header that is not there" },
    { "Commas", "a", true, "an element among empty ones, RFC 9110 5.6.1" },
    { "Commas", "b", true, "an element with tabs around it" },
    { "Commas", ",", false, "the comma itself" },
  } do
    it((case[3] and "finds " or "does not find ") .. case[4], function()
      assert.equal(case[3], http.has_token(answer, case[1], case[2]))
    end)
  end

  it("knows tokens, RFC 9110 5.6.2", function()
    local marks = "!#$%&'*+-.^_`|~"
    for value = 0, 255 do
      local c = string.char(value)
      local expected = (c:find "^[0-9A-Za-z]$" or marks:find(c, 1, true)) ~= nil
      assert.equal(expected, http.is_token(c), value)
      assert.equal(expected, http.is_token("a" .. c))
    end
    assert.is_false(http.is_token "")
  end)

  it("compares without case, in ASCII only", function()
    for _, case in ipairs {
      { "Upgrade", "uPGRADE", true },
      { "", "", true },
      { "a", "", false },
      { "", "a", false },
      { "ab", "a", false },
      { "a", "ab", false },
      { "@", "`", false },
      { "[", "{", false },
      { "\196", "\228", false },
      { "a\0b", "a", false },
    } do
      assert.equal(case[3], http.equal_nocase(case[1], case[2]), case[1] .. "=" .. case[2])
    end
  end)

  it("writes base64, RFC 4648 10", function()
    for _, case in ipairs {
      { "", "" },
      { "f", "Zg==" },
      { "fo", "Zm8=" },
      { "foo", "Zm9v" },
      { "foob", "Zm9vYg==" },
      { "fooba", "Zm9vYmE=" },
      { "foobar", "Zm9vYmFy" },
      { "\0\16\131\16\81\135", "ABCDEFGH" },
      { "\255\239\190", "/+++" },
      { "\251\255\254", "+//+" },
      { "the sample nonce", "dGhlIHNhbXBsZSBub25jZQ==" },
    } do
      assert.equal(case[2], http.base64(case[1]))
    end
  end)
end)
