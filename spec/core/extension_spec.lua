local garbage = require "support.garbage"
local testing = require "wsclose.core_testing"
local extension = testing.extension
local memory = testing.memory

local PMD = "permessage-deflate"

-- ---------------------------------------------------------------- the grammar

describe("Sec-WebSocket-Extensions, RFC 6455 9.1", function()
  local function show(list)
    local items = {}
    for i, item in ipairs(list) do
      local parts = { item.name }
      for _, param in ipairs(item.params) do
        parts[#parts + 1] = param[1] .. (param[2] and "=" .. param[2] or "")
      end
      items[i] = table.concat(parts, ";")
    end
    return table.concat(items, ",")
  end

  for _, case in ipairs {
    -- lines, what is read
    { { "foo" }, "foo" },
    { { "foo, bar; baz=2" }, "foo,bar;baz=2" }, -- the RFC's own examples
    { { "foo", "bar; baz=2" }, "foo,bar;baz=2" },
    { { "deflate-stream" }, "deflate-stream" },
    { { "mux; max-channels=4; flow-control, deflate-stream" },
      "mux;max-channels=4;flow-control,deflate-stream" },
    { { "private-extension" }, "private-extension" },
    { { "foo; use_y, foo" }, "foo;use_y,foo" },
    { { "permessage-deflate; client_max_window_bits; server_max_window_bits=10" },
      "permessage-deflate;client_max_window_bits;server_max_window_bits=10" },
    { { 'foo; a="1"' }, "foo;a=1" },
    { { 'foo; a="b\\c"' }, "foo;a=bc" },
    { { 'foo;a="x";b="y",bar;c="z"' }, "foo;a=x;b=y,bar;c=z" },
    { { "a;b=c", 'd;e="f"', "g" }, "a;b=c,d;e=f,g" },
    { { "!#$%&'*+-.^_`|~09AZaz" }, "!#$%&'*+-.^_`|~09AZaz" },
    { { "foo; a; a=1; a" }, "foo;a;a=1;a" }, -- whether that is allowed is checked elsewhere
    -- lenient on blanks and empty elements
    { {}, "" },
    { { "" }, "" },
    { { " \t" }, "" },
    { { "," }, "" },
    { { ", ,foo,, ,bar,\t," }, "foo,bar" },
    { { "", "foo", "" }, "foo" },
    { { "\tfoo \t;\ta \t=\t 1 ; b , bar" }, "foo;a=1;b,bar" },
    { { 'foo;a= "1" ;b' }, "foo;a=1;b" },
  } do
    it("is read: " .. table.concat(case[1], " | "), function()
      local list = assert(extension.parse(case[1]))
      assert.equal(case[2], show(list))
    end)
  end

  local NO_EXTENSION = "an extension in Sec-WebSocket-Extensions has no name"
  local NO_PARAM = "a parameter in Sec-WebSocket-Extensions has no name"
  local NO_VALUE = "a parameter in Sec-WebSocket-Extensions has no value after its '='"
  local BEHIND = "Sec-WebSocket-Extensions has something other than ',' or ';' after a name or "
    .. "value"
  local OPEN = "a quoted value in Sec-WebSocket-Extensions is not closed"
  local NO_TOKEN = "a quoted value in Sec-WebSocket-Extensions is not a token"

  for _, case in ipairs {
    { ";", NO_EXTENSION },
    { "; a", NO_EXTENSION },
    { "=1", NO_EXTENSION },
    { '"foo"', NO_EXTENSION },
    { "foo, ;a", NO_EXTENSION },
    { "(foo)", NO_EXTENSION },
    { "\195\164", NO_EXTENSION },
    { "foo;", NO_PARAM },
    { "foo; ", NO_PARAM },
    { "foo;;a", NO_PARAM },
    { "foo; =1", NO_PARAM },
    { "foo; , bar", NO_PARAM },
    { 'foo; "a"', NO_PARAM },
    { "foo; a=", NO_VALUE },
    { "foo; a= ", NO_VALUE },
    { "foo; a=;b", NO_VALUE },
    { "foo; a=, bar", NO_VALUE },
    { "foo; a==1", NO_VALUE },
    { "foo; a='\195\164'", BEHIND },
    { "foo bar", BEHIND },
    { "foo=1", BEHIND },
    { "foo; a b", BEHIND },
    { "foo; a=1 2", BEHIND },
    { "foo; a=1=2", BEHIND },
    { 'foo; a="1"2', BEHIND },
    { 'foo; a="1""2"', BEHIND },
    { "foo/bar", BEHIND },
    { "foo; a=b@c", BEHIND },
    { 'foo; a="', OPEN },
    { 'foo; a="1', OPEN },
    { 'foo; a="1\\', OPEN },
    { 'foo; a="1\\"', OPEN },
    { 'foo; a=""', NO_TOKEN },
    { 'foo; a=" 1"', NO_TOKEN },
    { 'foo; a="1 2"', NO_TOKEN },
    { 'foo; a="1,2"', NO_TOKEN },
    { 'foo; a="1\\"2"', NO_TOKEN },
    { 'foo; a="\195\164"', NO_TOKEN },
  } do
    it("is refused: " .. case[1]:gsub("[\128-\255]+", "ä"), function()
      garbage()
      local blocks = memory.live_blocks()
      for _, lines in ipairs { { case[1] }, { "good; x=1, fine", case[1] } } do
        local list, sentence, name = extension.parse(lines)
        assert.same({ nil, case[2], "extension" }, { list, sentence, name })
      end
      assert.equal(blocks, memory.live_blocks())
    end)
  end

  it("is refused where a quoted value goes on in the next line", function()
    assert.equal(OPEN, select(2, extension.parse { 'foo; a="1', '2"' }))
  end)
end)

describe("offers", function()
  it("are written in their order", function()
    assert.equal("", extension.write {})
    assert.equal("permessage-deflate; client_max_window_bits",
      extension.write { { name = PMD, params = { { "client_max_window_bits" } } } })
    assert.equal("a, permessage-deflate; server_max_window_bits=10; client_max_window_bits, a; x=1",
      extension.write {
        { name = "a" },
        { name = PMD,
          params = { { "server_max_window_bits", "10" }, { "client_max_window_bits" } } },
        { name = "a", params = { { "x", "1" } } },
      })
  end)

  it("do not show what is required", function()
    assert.equal("a; x", extension.write {
      { name = "a", required = true, params = { { "x" } }, require = { "x", "y" } },
    })
  end)
end)

describe("what a program may offer", function()
  local function check(params, require_list, name)
    return extension.check { name = name or PMD, params = params, require = require_list }
  end

  for _, params in ipairs {
    {},
    { { "client_no_context_takeover" }, { "server_no_context_takeover" } },
    { { "client_max_window_bits" } },
    { { "client_max_window_bits", "8" }, { "server_max_window_bits", "8" } },
    { { "client_max_window_bits", "10" }, { "server_max_window_bits", "9" } },
    { { "server_max_window_bits", "15" }, { "client_max_window_bits", "15" } },
  } do
    it("is permessage-deflate as RFC 7692 has it, case " .. #params, function()
      assert.is_true(check(params))
    end)
  end

  it("is any other extension with any parameters", function()
    assert.is_true(check({}, nil, "bbf-usp-protocol"))
    assert.is_true(check({ { "eid", "x" }, { "flag" } }, { "other" }, "bbf-usp-protocol"))
  end)

  it("is a parameter that the answer must carry", function()
    for _, name in ipairs { "client_no_context_takeover", "server_no_context_takeover",
      "server_max_window_bits" } do
      assert.is_true(check({}, { name }))
    end
    assert.is_true(check({ { "client_max_window_bits" } }, { "client_max_window_bits" }))
  end)

  local NAME = "an extension's name must be a token: letters, digits and !#$%&'*+-.^_`|~ only"
  local PARAM = "the name of an extension's parameter must be a token: letters, digits and "
    .. "!#$%&'*+-.^_`|~ only"
  local VALUE = "the value of an extension's parameter must be a token: letters, digits and "
    .. "!#$%&'*+-.^_`|~ only"
  local TWICE = "an extension has one parameter twice"
  local FLAG = "client_no_context_takeover and server_no_context_takeover of permessage-deflate "
    .. "take no value"
  local SERVER_BITS = "server_max_window_bits of permessage-deflate must be 8 to 15"
  local CLIENT_BITS = "client_max_window_bits of permessage-deflate must be 8 to 15, or "
    .. "have no value"
  local FOUR = "permessage-deflate has four parameters only: client_no_context_takeover, "
    .. "server_no_context_takeover, client_max_window_bits, server_max_window_bits"
  local REQUIRE = "require must list names of parameters; one of them is not a token"
  local REQUIRE_FOUR = "require may list permessage-deflate's four parameters only: "
    .. "client_no_context_takeover, server_no_context_takeover, client_max_window_bits, "
    .. "server_max_window_bits"
  local NOT_OFFERED = "require lists client_max_window_bits, which a server may answer only when "
    .. "it is offered: offer it too"

  for _, case in ipairs {
    { {}, nil, "", NAME },
    { {}, nil, "two words", NAME },
    { {}, nil, "a\r\nb", NAME },
    { {}, nil, "a;b", NAME },
    { { { "" } }, nil, "a", PARAM },
    { { { "x=1" } }, nil, "a", PARAM },
    { { { "x\n" } }, nil, "a", PARAM },
    { { { "x", "" } }, nil, "a", VALUE },
    { { { "x", "1 2" } }, nil, "a", VALUE },
    { { { "x", '"1"' } }, nil, "a", VALUE },
    { { { "x", "1\r\nEvil: 1" } }, nil, "a", VALUE },
    { { { "x" }, { "y" }, { "x", "1" } }, nil, "a", TWICE },
    { {}, { "" }, "a", REQUIRE },
    { {}, { "x", "y z" }, "a", REQUIRE },
    { { { "client_no_context_takeover", "1" } }, nil, PMD, FLAG },
    { { { "server_no_context_takeover", "true" } }, nil, PMD, FLAG },
    { { { "server_max_window_bits" } }, nil, PMD, SERVER_BITS },
    { { { "server_max_window_bits", "7" } }, nil, PMD, SERVER_BITS },
    { { { "server_max_window_bits", "16" } }, nil, PMD, SERVER_BITS },
    { { { "client_max_window_bits", "08" } }, nil, PMD, CLIENT_BITS },
    { { { "client_max_window_bits", "7" } }, nil, PMD, CLIENT_BITS },
    { { { "client_max_window_bits", "150" } }, nil, PMD, CLIENT_BITS },
    { { { "window" } }, nil, PMD, FOUR },
    { { { "Client_Max_Window_Bits" } }, nil, PMD, FOUR },
    { {}, { "window" }, PMD, REQUIRE_FOUR },
    { {}, { "client_max_window_bits" }, PMD, NOT_OFFERED },
  } do
    it("is not: " .. case[4]:sub(1, 60) .. ", " .. tostring(case[3]):gsub("%c", "?"), function()
      local ok, sentence, name = check(case[1], case[2], case[3])
      assert.same({ nil, case[4], "extension" }, { ok, sentence, name })
    end)
  end
end)

-- ---------------------------------------------------------------- negotiation, against a table

-- RFC 7692 7.1 and the contract's rules once more, from the text and in other words than the code.
-- An offer or answer maps each parameter to `true` (without a value), to a string, or to nil.

local NAMES = { "client_no_context_takeover", "server_no_context_takeover",
  "client_max_window_bits", "server_max_window_bits" }

local LEGAL_BITS = { ["8"] = 8, ["9"] = 9, ["10"] = 10, ["11"] = 11, ["12"] = 12, ["13"] = 13,
  ["14"] = 14, ["15"] = 15 }

local function contains(list, name)
  for _, entry in ipairs(list) do
    if entry == name then return true end
  end
  return false
end

--- What has to come of it: "fails", or { client_no, server_no, client_bits, server_bits, missing }.
local function expected_outcome(offer, required, answer)
  local asked_client, asked_server = offer.client_max_window_bits, offer.server_max_window_bits
  for _, flag in ipairs { "client_no_context_takeover", "server_no_context_takeover" } do
    if answer[flag] and answer[flag] ~= true then return "fails" end
  end
  local client, server = answer.client_max_window_bits, answer.server_max_window_bits
  if client and not LEGAL_BITS[client] or server and not LEGAL_BITS[server] then return "fails" end
  if client and not asked_client then return "fails" end
  if client and asked_client ~= true and LEGAL_BITS[client] > LEGAL_BITS[asked_client] then
    return "fails"
  end
  if server and asked_server and LEGAL_BITS[server] > LEGAL_BITS[asked_server] then
    return "fails"
  end
  for _, name in ipairs { "server_max_window_bits", "server_no_context_takeover" } do
    if offer[name] and not answer[name] and not contains(required, name) then return "fails" end
  end
  local missing = PMD
  for _, name in ipairs(required) do
    if not answer[name] then missing = missing .. "; " .. name end
  end
  return {
    deflate = true,
    client_no_context_takeover = (offer.client_no_context_takeover
      or answer.client_no_context_takeover) and true or false,
    server_no_context_takeover = answer.server_no_context_takeover or false,
    client_max_window_bits = LEGAL_BITS[client] or LEGAL_BITS[asked_client] or 15,
    server_max_window_bits = LEGAL_BITS[server] or 15,
    missing = missing ~= PMD and missing or "",
  }
end

local function to_params(values)
  local params = {}
  for _, name in ipairs(NAMES) do
    if values[name] then
      params[#params + 1] = { name, values[name] ~= true and values[name] or nil }
    end
  end
  return params
end

local function to_header(values, quote)
  local parts = { PMD }
  for _, name in ipairs(NAMES) do
    local value = values[name]
    if value then
      value = value ~= true and "=" .. (quote and '"' .. value .. '"' or value) or ""
      parts[#parts + 1] = name .. value
    end
  end
  return table.concat(parts, "; ")
end

--- All ways to choose one of `choices[name]` for each name; false stands for "absent".
local function product(choices)
  local all = { {} }
  for _, name in ipairs(NAMES) do
    local longer = {}
    for _, partial in ipairs(all) do
      for _, choice in ipairs(choices[name]) do
        local copy = {}
        for key, value in pairs(partial) do copy[key] = value end
        copy[name] = choice or nil
        longer[#longer + 1] = copy
      end
    end
    all = longer
  end
  return all
end

local offers = product {
  client_no_context_takeover = { false, true },
  server_no_context_takeover = { false, true },
  client_max_window_bits = { false, true, "8", "10", "15" },
  server_max_window_bits = { false, "8", "10", "15" },
}

local required_sets = {}
for bits = 0, 15 do
  local set = {}
  for i, name in ipairs(NAMES) do
    if math.floor(bits / 2 ^ (i - 1)) % 2 == 1 then set[#set + 1] = name end
  end
  required_sets[#required_sets + 1] = set
end

local function check(offer, required, header)
  local agreement, sentence, name = extension.check_answer(
    { { name = PMD, params = to_params(offer), require = required } }, { header })
  return agreement, sentence, name
end

local function same_outcome(expected, agreement, sentence, name)
  if expected == "fails" then
    return agreement == nil and name == "extension" and sentence ~= ""
  end
  if not agreement then return false end
  for key, value in pairs(expected) do
    if agreement[key] ~= value then return false end
  end
  return true
end

--- Tries all answers on all offers; gives the first few that come out otherwise, and how many of
--- the expected outcomes were agreements and how many were not.
local function try_all(answers, sets, quote)
  local wrong, agreed, missing, failed = {}, 0, 0, 0
  for _, offer in ipairs(offers) do
    for _, required in ipairs(sets) do
      for _, answer in ipairs(answers) do
        local header = to_header(answer, quote)
        local expected = expected_outcome(offer, required, answer)
        if expected == "fails" then
          failed = failed + 1
        elseif expected.missing ~= "" then
          missing = missing + 1
        else
          agreed = agreed + 1
        end
        if not same_outcome(expected, check(offer, required, header)) and #wrong < 5 then
          wrong[#wrong + 1] = ("%s require %s answered %s"):format(to_header(offer),
            table.concat(required, ","), header)
        end
      end
    end
  end
  return wrong, agreed, missing, failed
end

describe("an answer to permessage-deflate, every offer tried with every answer", function()
  local answers = product {
    client_no_context_takeover = { false, true },
    server_no_context_takeover = { false, true },
    client_max_window_bits = { false, "8", "10", "15" },
    server_max_window_bits = { false, "8", "10", "15" },
  }

  it("comes out as the table says", function()
    local wrong, agreed, missing, failed = try_all(answers, required_sets)
    assert.same({}, wrong)
    assert.equal(#offers * #required_sets * #answers, agreed + missing + failed)
    assert.is_true(agreed > 3000 and missing > 3000 and failed > 3000)
  end)

  it("comes out the same with quoted values", function()
    assert.same({}, (try_all(answers, { {}, { NAMES[4] } }, true)))
  end)

  it("fails for every value that is none", function()
    for _, bad in ipairs { true, "7", "16", "08", "0", "-8", "+8", "8.0", "0x8", "abc", "100", "1",
      "015", "8a", "99", "1O" } do
      for _, name in ipairs { "client_max_window_bits", "server_max_window_bits" } do
        local wrong, agreed, missing = try_all({
          { [name] = bad },
          { [name] = bad, server_no_context_takeover = true, client_no_context_takeover = true },
        }, { {}, { name }, { "server_no_context_takeover" } })
        assert.same({ {}, 0, 0 }, { wrong, agreed, missing })
      end
    end
    for _, bad in ipairs { "1", "true", "0", "8" } do
      for _, name in ipairs { "client_no_context_takeover", "server_no_context_takeover" } do
        local wrong, agreed, missing =
          try_all({ { [name] = bad }, { [name] = bad, server_max_window_bits = "8" } }, { {} })
        assert.same({ {}, 0, 0 }, { wrong, agreed, missing })
      end
    end
  end)

  it("fails for every parameter that is unknown or repeated, whatever was offered", function()
    local accepted = {}
    for _, offer in ipairs(offers) do
      for _, tail in ipairs { "; foo", "; foo=1", "; Server_No_Context_Takeover", "; ; ", "; =8",
        "; server_no_context_takeover; server_no_context_takeover",
        "; client_no_context_takeover; client_no_context_takeover",
        "; server_max_window_bits=8; server_max_window_bits=8",
        "; client_max_window_bits=8; client_max_window_bits=8",
        '; server_max_window_bits=""', "; server_max_window_bits=", '; server_max_window_bits=" 8"',
        ", permessage-deflate" } do
        local agreement, _, name = check(offer, {}, PMD .. tail)
        if agreement or name ~= "extension" then accepted[#accepted + 1] = tail end
      end
    end
    assert.same({}, accepted)
  end)
end)

-- ---------------------------------------------------------------- sentences and other extensions

describe("the sentence about a bad answer", function()
  for _, case in ipairs {
    -- the offer's parameters, the answer's, the sentence behind "the server answered "
    { {}, "; server_max_window_bits=16",
      "permessage-deflate with server_max_window_bits=16; expected 8 to 15" },
    { {}, '; server_max_window_bits="07"',
      "permessage-deflate with server_max_window_bits=07; expected 8 to 15" },
    { {}, "; server_max_window_bits",
      "permessage-deflate with server_max_window_bits without a value; expected 8 to 15" },
    { { { "client_max_window_bits" } }, "; client_max_window_bits",
      "permessage-deflate with client_max_window_bits without a value; expected 8 to 15" },
    { {}, "; server_no_context_takeover=1",
      "permessage-deflate with server_no_context_takeover=1; expected it without a value" },
    { {}, "; client_no_context_takeover=a",
      "permessage-deflate with client_no_context_takeover=a; expected it without a value" },
    { {}, "; window=1",
      "permessage-deflate with window=1; expected only the parameters of RFC 7692" },
    { {}, "; server_max_window_bits=8; server_max_window_bits=9",
      "permessage-deflate with server_max_window_bits=9 again; expected it once" },
    { {}, "; client_max_window_bits=12",
      "permessage-deflate with client_max_window_bits=12; expected it only if it had been "
        .. "offered" },
    { { { "client_max_window_bits", "10" } }, "; client_max_window_bits=12",
      "permessage-deflate with client_max_window_bits=12; expected at most the 10 offered" },
    { { { "server_max_window_bits", "9" } }, "; server_max_window_bits=10",
      "permessage-deflate with server_max_window_bits=10; expected at most the 9 offered" },
    { { { "server_max_window_bits", "9" } }, "",
      "permessage-deflate without server_max_window_bits; expected it, as it was asked for" },
    { { { "server_no_context_takeover" } }, "; client_no_context_takeover",
      "permessage-deflate without server_no_context_takeover; expected it, as it was asked for" },
    { {}, ", permessage-deflate",
      "with the extension permessage-deflate twice; expected it once" },
    { {}, ", x-other",
      "with the extension x-other, which was not offered; expected none but those offered" },
    { {}, ", Permessage-Deflate",
      "with the extension Permessage-Deflate, which was not offered; expected none but those "
        .. "offered" },
  } do
    it("names what came and what was expected: " .. case[3], function()
      local agreement, sentence, name =
        extension.check_answer({ { name = PMD, params = case[1] } }, { PMD .. case[2] })
      assert.same({ nil, "the server answered " .. case[3], "extension" },
        { agreement, sentence, name })
    end)
  end

  it("is cut to the room it gets, long names are cut too", function()
    local long = ("x"):rep(3000)
    local list = { { name = PMD } }
    for _, size in ipairs { 1, 2, 20, 100, 256 } do
      local _, sentence = extension.check_answer(list, { long }, size)
      assert.is_true(#sentence < size)
      _, sentence = extension.check_answer(list, { PMD .. "; " .. long .. "=" .. long }, size)
      assert.is_true(#sentence < size)
    end
    local _, sentence = extension.check_answer(list, { long })
    assert.is_truthy(sentence:find("which was not offered; expected none but those offered", 1,
      true))
  end)

  it("is about the parameter twice, for any extension", function()
    local _, sentence = extension.check_answer({ { name = "foo" } }, { "foo; a; b; a=1" })
    assert.equal("the server answered the extension foo with the parameter a twice; expected it "
      .. "once", sentence)
  end)
end)

describe("an answer to several offers", function()
  local both = {
    { name = PMD, params = { { "server_max_window_bits", "10" } } },
    { name = PMD, params = { { "client_max_window_bits" } } },
  }

  it("must fit one of those that carry its name", function()
    for _, case in ipairs {
      { "; server_max_window_bits=10", 15, 10 },
      { "; server_max_window_bits=12", 15, 12 }, -- uninvited, to the second
      { "; client_max_window_bits=9", 9, 15 },
      { "; client_max_window_bits=9; server_max_window_bits=8", 9, 8 },
      { "", 15, 15 },
    } do
      local agreement = assert(extension.check_answer(both, { PMD .. case[1] }))
      assert.equal(case[2], agreement.client_max_window_bits)
      assert.equal(case[3], agreement.server_max_window_bits)
    end
    local first = { both[1], { name = PMD, params = { { "server_no_context_takeover" } } } }
    local _, _, name = extension.check_answer(first, { PMD .. "; server_max_window_bits=12" })
    assert.equal("extension", name)
    assert.is_truthy(extension.check_answer(first,
      { PMD .. "; server_max_window_bits=12; server_no_context_takeover" }))
  end)

  it("is taken for one whose requirements it meets, if there is one", function()
    local strict = { name = PMD, require = { "server_no_context_takeover" },
      params = { { "client_no_context_takeover" } } }
    local lax = { name = PMD }
    for _, order in ipairs { { strict, lax }, { lax, strict } } do
      assert.equal("", extension.check_answer(order, { PMD }).missing)
      assert.is_false(extension.check_answer(order, { PMD }).client_no_context_takeover)
    end
    local value = { PMD .. "; server_no_context_takeover" }
    local agreement = extension.check_answer({ strict, lax }, value)
    assert.is_true(agreement.client_no_context_takeover)
    local other = { name = PMD, require = { "client_no_context_takeover" } }
    assert.equal(PMD .. "; server_no_context_takeover",
      extension.check_answer({ strict, other }, { PMD }).missing)
    assert.equal(PMD .. "; client_no_context_takeover",
      extension.check_answer({ other, strict }, { PMD }).missing)
  end)

  it("may take up others than permessage-deflate, with any parameters", function()
    local agreement = extension.check_answer({ { name = "foo" }, { name = "bar" } },
      { "bar; x=1; y", "foo; server_max_window_bits=99" })
    assert.same({ deflate = false, missing = "" }, agreement)
  end)

  it("may be empty", function()
    assert.same({ deflate = false, missing = "" }, extension.check_answer(both, {}))
    assert.same({ deflate = false, missing = "" }, extension.check_answer({}, { "" }))
    local _, sentence, name = extension.check_answer({}, { PMD })
    assert.same({ "the server answered with the extension permessage-deflate, which was not "
      .. "offered; expected none but those offered", "extension" }, { sentence, name })
  end)

  it("is refused as a whole when its grammar is", function()
    local _, sentence, name = extension.check_answer(both, { PMD .. ";" })
    assert.same({ "a parameter in Sec-WebSocket-Extensions has no name",
      "extension" }, { sentence, name })
  end)
end)

describe("what is missing, for Close 1010", function()
  local function missing(list, ...)
    return assert(extension.check_answer(list, { ... })).missing
  end

  it("is an extension that is required and absent", function()
    assert.equal(PMD, missing { { name = PMD, required = true } })
    assert.equal("", missing({ { name = PMD, required = true } }, PMD))
    assert.equal("", missing { { name = PMD } })
  end)

  it("is an extension of which parameters are required", function()
    assert.equal("foo; x", missing { { name = "foo", require = { "x" } } })
    assert.equal("", missing { { name = "foo", require = {} } })
  end)

  it("is a parameter of an extension, with or without a value", function()
    local list = { { name = "foo", require = { "x", "y" } } }
    assert.equal("foo; x; y", missing(list, "foo"))
    assert.equal("foo; y", missing(list, "foo; x=1"))
    assert.equal("foo; x", missing(list, "foo; z; y"))
    assert.equal("", missing(list, "foo; y; x"))
  end)

  it("is listed in the order offered, each name once", function()
    local list = {
      { name = "b", required = true },
      { name = "a", require = { "p" } },
      { name = "b" },
      { name = PMD, required = true },
      { name = "c", required = true },
      { name = "b", required = true, params = { { "x" } } },
    }
    assert.equal("b, a; p, permessage-deflate", missing(list, "c", "a"))
    assert.equal("a; p, c", missing(list, "b", PMD))
    assert.equal("b, a; p, permessage-deflate, c", missing(list))
  end)

  it("counts an extension as required if one of its offers is", function()
    assert.equal("a", missing { { name = "a" }, { name = "a", required = true } })
  end)

  it("is outdone by anything that fails the handshake", function()
    local list = { { name = "a", required = true }, { name = "b" } }
    local _, _, name = extension.check_answer(list, { "b; x; x" })
    assert.equal("extension", name)
    _, _, name = extension.check_answer(list, { "c" })
    assert.equal("extension", name)
  end)

  it("fits into a Close frame: 123 bytes, cut between names", function()
    local function named(...)
      local list = {}
      for i, size in ipairs { ... } do
        list[i] = { name = string.char(96 + i):rep(size), required = true }
      end
      return missing(list)
    end
    assert.equal(("a"):rep(123), named(123))
    assert.equal(("a"):rep(123), named(123, 1))
    assert.equal(("a"):rep(120) .. ", b", named(120, 1))
    assert.equal(("a"):rep(121), named(121, 1))
    assert.equal(("a"):rep(60) .. ", " .. ("b"):rep(61), named(60, 61, 1))
    assert.equal(("a"):rep(60), named(60, 62, 1)) -- c would fit, but the order is kept
    -- something is missing, so the reason may not be empty
    assert.equal(("a"):rep(123), named(124))
    assert.equal(("a"):rep(123), named(3000, 1))
  end)

  it("is cut between parameters too", function()
    local list = { { name = "a", require = { ("p"):rep(60), ("q"):rep(60), "r" } } }
    assert.equal("a; " .. ("p"):rep(60), missing(list, "a"))
    list[2] = { name = "b", required = true }
    assert.equal("a; " .. ("p"):rep(60), missing(list, "a"))
  end)
end)

-- ---------------------------------------------------------------- the server's side

describe("a server's answer", function()
  local function accepted_deflate(params)
    return { { name = PMD, params = params } }
  end

  --- The values that a client's own check finds in the answer.
  local function agree(offer, wishes)
    local value, agreement =
      extension.answer(accepted_deflate(to_params(wishes)), { to_header(offer) })
    local checked = extension.check_answer({ { name = PMD, params = to_params(offer) } }, { value })
    return value, agreement, checked
  end

  it("is one that the client's check takes, for every offer and every wish", function()
    local wrong = {}
    for _, offer in ipairs(offers) do
      for _, wishes in ipairs(offers) do
        local value, agreement, checked = agree(offer, wishes)
        local same = checked and checked.deflate
        for key, entry in pairs(agreement) do
          same = same and checked[key] == entry
        end
        if not same and #wrong < 5 then
          wrong[#wrong + 1] = to_header(offer) .. " wished " .. to_header(wishes) .. ": " .. value
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("fulfils the server's wishes where the offer leaves room", function()
    for _, case in ipairs {
      { {}, {}, PMD },
      { { server_no_context_takeover = true }, {}, PMD .. "; server_no_context_takeover" },
      { {}, { server_no_context_takeover = true }, PMD .. "; server_no_context_takeover" },
      { {}, { client_no_context_takeover = true }, PMD .. "; client_no_context_takeover" },
      { { client_no_context_takeover = true }, {}, PMD .. "; client_no_context_takeover" },
      { { client_max_window_bits = true }, {}, PMD },
      { { client_max_window_bits = true }, { client_max_window_bits = "9" },
        PMD .. "; client_max_window_bits=9" },
      { {}, { client_max_window_bits = "9" }, PMD },
      { { client_max_window_bits = "12" }, { client_max_window_bits = "9" },
        PMD .. "; client_max_window_bits=9" },
      { { client_max_window_bits = "9" }, { client_max_window_bits = "12" },
        PMD .. "; client_max_window_bits=9" },
      { { server_max_window_bits = "10" }, {}, PMD .. "; server_max_window_bits=10" },
      { { server_max_window_bits = "10" }, { server_max_window_bits = "8" },
        PMD .. "; server_max_window_bits=8" },
      { { server_max_window_bits = "10" }, { server_max_window_bits = "12" },
        PMD .. "; server_max_window_bits=10" },
      { {}, { server_max_window_bits = "12" }, PMD .. "; server_max_window_bits=12" },
    } do
      assert.equal(case[3], (agree(case[1], case[2])))
    end
  end)

  it("declines an offer that is ill-formed and takes the next", function()
    for _, bad in ipairs { "; foo", "; server_max_window_bits", "; server_max_window_bits=7",
      "; client_max_window_bits=16", "; server_no_context_takeover=1",
      "; client_no_context_takeover=1", "; client_max_window_bits; client_max_window_bits" } do
      local value, agreement = extension.answer(accepted_deflate {}, { PMD .. bad })
      assert.same({ "", { deflate = false, missing = "" } }, { value, agreement })
      value = extension.answer(accepted_deflate {},
        { PMD .. bad .. ", " .. PMD .. "; server_max_window_bits=9", PMD })
      assert.equal(PMD .. "; server_max_window_bits=9", value)
    end
  end)

  it("names others that were offered and that it accepts", function()
    local accepted = { { name = "a", params = { { "x", "1" } } }, { name = PMD }, { name = "c" } }
    local value, agreement = extension.answer(accepted, { "c; y, b", "a, permessage-deflate" })
    assert.equal("a; x=1, permessage-deflate, c", value)
    assert.is_true(agreement.deflate)
    value, agreement = extension.answer(accepted, { "b" })
    assert.same({ "", { deflate = false, missing = "" } }, { value, agreement })
    assert.equal("", (extension.answer({}, { "a, b" })))
  end)
end)

-- ---------------------------------------------------------------- memory

describe("every allocation", function()
  local list = { { name = PMD, params = { { "client_max_window_bits" } }, required = true } }
  local long = PMD .. "; client_max_window_bits=9" .. ("; x%d=%d"):rep(50):gsub("%%d", "7")

  for name, scenario in pairs {
    parse = function() return extension.parse { long, "a, b; c", "d" } end,
    check_answer = function()
      return extension.check_answer(list, { PMD .. "; client_max_window_bits=9" })
    end,
    write = function() return extension.write { { name = ("a"):rep(300) }, { name = "b" } } end,
    answer = function()
      return extension.answer(
        { { name = ("a"):rep(300), params = { { ("b"):rep(600), "c" } } }, { name = PMD } },
        { ("a"):rep(300) .. ", permessage-deflate; server_max_window_bits=9" })
    end,
  } do
    it("may fail and leaves nothing behind: " .. name, function()
      garbage()
      local blocks, failures = memory.live_blocks(), 0
      while true do
        memory.fail_at(failures + 1)
        local result, _, why = scenario()
        memory.fail_at()
        assert.equal(blocks, memory.live_blocks())
        if result then break end
        assert.equal("memory", why)
        failures = failures + 1
      end
      assert.is_true(failures >= 1)
    end)
  end
end)
