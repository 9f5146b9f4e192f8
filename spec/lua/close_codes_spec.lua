local close_codes = require "wsclose.close_codes"
local sources = require "support.sources"

local explain, compare, codes = close_codes.explain, close_codes.compare, close_codes.codes

-- The table of the contract: code, name, may be on the wire, retried by default.
local TABLE = {
  { -1, "OUT_OF_RANGE", false, false },
  { 0, "NOT_USED", false, false },
  { 999, "NOT_USED", false, false },
  { 1000, "NORMAL", true, false },
  { 1001, "GOING_AWAY", true, true },
  { 1002, "PROTOCOL_ERROR", true, false },
  { 1003, "UNSUPPORTED_DATA", true, false },
  { 1004, "RESERVED", false, false },
  { 1005, "NO_STATUS", false, true },
  { 1006, "ABNORMAL", false, true },
  { 1007, "INVALID_PAYLOAD", true, false },
  { 1008, "POLICY_VIOLATION", true, false },
  { 1009, "MESSAGE_TOO_BIG", true, false },
  { 1010, "MANDATORY_EXTENSION", true, false },
  { 1011, "INTERNAL_ERROR", true, true },
  { 1012, "SERVICE_RESTART", true, true },
  { 1013, "TRY_AGAIN_LATER", true, true },
  { 1014, "BAD_GATEWAY", true, true },
  { 1015, "TLS_HANDSHAKE", false, false },
  { 1016, "UNASSIGNED", false, false },
  { 2999, "UNASSIGNED", false, false },
  { 3000, "UNAUTHORIZED", true, false },
  { 3001, "REGISTERED", true, true },
  { 3002, "REGISTERED", true, true },
  { 3003, "FORBIDDEN", true, false },
  { 3004, "REGISTERED", true, true },
  { 3008, "TIMEOUT", true, true },
  { 3999, "REGISTERED", true, true },
  { 4000, "PRIVATE", true, true },
  { 4999, "PRIVATE", true, true },
  { 5000, "OUT_OF_RANGE", false, false },
  { 65535, "OUT_OF_RANGE", false, false },
}

local TEXTS = { "name", "summary", "when", "fix", "sent_by", "retry_why", "about", "outlook" }

describe("explain, RFC 6455 7.4 and the IANA registry", function()
  for _, case in ipairs(TABLE) do
    local code, name, on_wire, retried = case[1], case[2], case[3], case[4]
    it(("knows %d as %s"):format(code, name), function()
      local entry = explain(code)
      assert.equal(code, entry.code)
      assert.equal(name, entry.name)
      assert.equal(on_wire, entry.on_wire)
      assert.equal(retried, entry.retry)
    end)
  end

  it("has an entry with every text for each integer from -10 to 10000", function()
    for code = -10, 10000 do
      local entry = explain(code)
      assert(entry.code == code)
      for _, field in ipairs(TEXTS) do
        local text = entry[field]
        assert(type(text) == "string" and #text > 3, ("%d has no %s"):format(code, field))
      end
    end
  end)

  it("writes summary, when and fix as sentences and the rest as clauses", function()
    for _, row in ipairs(close_codes.rows()) do
      for _, field in ipairs { "summary", "when", "fix" } do
        assert.truthy(row[field]:match "^%u.*%.$", row.name .. "." .. field)
      end
      for _, field in ipairs { "sent_by", "retry_why", "about", "outlook" } do
        assert.truthy(row[field]:match "^%l.*[^.]$", row.name .. "." .. field)
      end
    end
  end)

  it("agrees on the codes that may be sent with the close codes themselves", function()
    for code = 0, 6000 do
      local may = code >= 1000 and code <= 1003 or code >= 1007 and code <= 1014
        or code >= 3000 and code <= 4999
      assert(explain(code).on_wire == may, code)
    end
  end)

  it("says of 1001 what its readers look for", function()
    local entry = explain(1001)
    assert.truthy(entry.summary:find("goes away", 1, true))
    for _, word in ipairs { "restarts", "maintenance", "page", "tab" } do
      assert.truthy(entry.when:find(word, 1, true), word)
    end
    for _, word in ipairs { "reconnect by itself", "exponential backoff", "short delay" } do
      assert.truthy(entry.fix:find(word, 1, true), word)
    end
    assert.equal("either side", entry.sent_by)
    assert.same({ 0, 5 }, entry.first)
  end)

  it("says of 1010 what its readers look for", function()
    local entry = explain(1010)
    assert.truthy(entry.when:find("permessage-deflate", 1, true))
    for _, word in ipairs { "at the server", "Sec-WebSocket-Extensions", "proxies", "optional" } do
      assert.truthy(entry.fix:find(word, 1, true), word)
    end
    assert.equal("the client", entry.sent_by)
    assert.equal(nil, entry.first)
  end)

  it("gives the delays that some codes ask for", function()
    assert.same({ 0, 2 }, explain(1006).first)
    assert.same({ 0, 15 }, explain(1012).first)
    assert.same({ 10, 30 }, explain(1013).first)
    assert.equal(5, explain(1011).in_a_row)
    assert.equal(5, explain(4001).in_a_row)
  end)

  it("hands out a table that is the caller's own", function()
    local entry = explain(1001)
    entry.name, entry.first[1] = "SPOILT", 99
    assert.equal("GOING_AWAY", explain(1001).name)
    assert.same({ 0, 5 }, explain(1001).first)
    close_codes.rows()[3].name = "SPOILT"
    assert.equal("NORMAL", explain(1000).name)
  end)

  it("prints as one line", function()
    assert.equal("1001 GOING_AWAY: An endpoint goes away.", tostring(explain(1001)))
    assert.equal("1001 GOING_AWAY: An endpoint goes away.", tostring(explain(1001.0)))
  end)

  it("takes integers however large", function()
    assert.equal("OUT_OF_RANGE", explain(1e300).name)
    assert.equal("OUT_OF_RANGE", explain(-1e300).name)
  end)

  for _, case in ipairs {
    { value = 1000.5, named = "1000.5" },
    { value = math.huge, named = "inf" },
    { value = -math.huge, named = "-inf" },
    { value = "1000", named = "a string" },
    { value = nil, named = "a nil" },
    { value = {}, named = "a table" },
    { value = true, named = "a boolean" },
  } do
    it("raises for " .. case.named .. " and says what was expected", function()
      local good, message = pcall(explain, case.value)
      assert.equal(false, good)
      local expected = "wsclose.explain: code must be an integer, not " .. case.named
      assert.truthy(message:find(expected, 1, true), message)
    end)
  end

  it("raises for a number that is none", function()
    assert.has_error(function() explain(0 / 0) end)
  end)

  it("lays the blame at the caller's line", function()
    local _, message = pcall(function() explain "1000" end)
    assert.truthy(message:find("close_codes_spec.lua", 1, true), message)
  end)
end)

describe("codes", function()
  it("goes both ways for every single code", function()
    local count = 0
    for _, case in ipairs(TABLE) do
      local entry = explain(case[1])
      if not entry.from and not entry.to then
        assert.equal(entry.code, codes[entry.name])
        assert.equal(entry.name, codes[entry.code])
        count = count + 1
      end
    end
    assert.equal(19, count)
    assert.equal(1001, codes.GOING_AWAY)
    assert.equal("GOING_AWAY", codes[1001])
  end)

  it("has nothing else", function()
    local count = 0
    for _ in pairs(codes) do count = count + 1 end
    assert.equal(2 * 19, count)
    for _, range in ipairs { "PRIVATE", "REGISTERED", "UNASSIGNED", 4000, 5000, 999 } do
      assert.equal(nil, codes[range])
    end
  end)
end)

describe("compare", function()
  it("tells 1001 from 1010: one passes by waiting, the other never by retrying", function()
    local a, b, line = compare(1001, 1010)
    assert.same(explain(1001), a)
    assert.same(explain(1010), b)
    assert.equal("1001 GOING_AWAY is about a peer's life and passes by waiting; 1010 "
      .. "MANDATORY_EXTENSION is about configuration and never passes by retrying.", line)
  end)

  it("builds its line from the entries' fields, for any two codes", function()
    for _, one in ipairs(TABLE) do
      for _, other in ipairs(TABLE) do
        local a, b, line = compare(one[1], other[1])
        for _, entry in ipairs { a, b } do
          for _, part in ipairs { tostring(entry.code), entry.name, entry.about, entry.outlook } do
            assert(line:find(part, 1, true), line)
          end
        end
        assert(not line:find "\n" and line:match "^[-%d].*[^.]%.$", line)
      end
    end
  end)

  it("says that two private codes do not differ by themselves", function()
    local _, _, line = compare(4000, 4001)
    assert.truthy(line:find("4000 PRIVATE and 4001 PRIVATE do not differ", 1, true), line)
  end)

  it("has a topic of its own for each row, so that no two rows read alike", function()
    local seen = {}
    for _, row in ipairs(close_codes.rows()) do
      assert.equal(nil, seen[row.about])
      seen[row.about] = row.name
    end
  end)

  it("raises for what is no integer and says which of the two", function()
    local _, first = pcall(compare, "1001", 1010)
    local _, second = pcall(compare, 1001, 1010.5)
    assert.truthy(first:find("wsclose.compare: the first code must be an integer", 1, true), first)
    assert.truthy(second:find("the second code must be an integer, not 1010.5", 1, true), second)
  end)
end)

describe("docs/close-codes.md", function()
  it("is what scripts/close_codes_doc.lua makes of the codes", function()
    sources.assert_made("docs/close-codes.md", "scripts/close_codes_doc.lua")
  end)
end)
