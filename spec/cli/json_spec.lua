-- JSON texts, as RFC 8259 has them.

local json = require "wsclose.cli.json"

describe("a value as JSON", function()
  for _, case in ipairs {
    { "plain", '"plain"' },
    { 'a "b" \\ \n\r\t\0\127', '"a \\"b\\" \\\\ \\n\\r\\t\\u0000\\u007f"' },
    { "schön €", '"schön €"' },
    { "sch\246n", '"sch\\u00f6n"' }, -- Latin-1 in a header
    { 1000, "1000" },
    { -3, "-3" },
    { 0.25, "0.25" },
    { 123456789, "123456789" },
    { 2 ^ 53 - 1, "9007199254740991" },
    { 2 ^ 53, "9.0072e+15" },
    { 0 / 0, "null" },
    { math.huge, "null" },
    { true, "true" },
    { false, "false" },
    { { 1, "a", { 2 } }, '[1,"a",[2]]' },
    { { b = 1, a = 2, event = "x" }, '{"event":"x","a":2,"b":1}' },
    { {}, "{}" },
    { json.array {}, "[]" },
  } do
    it("is " .. case[2], function()
      assert.equal(case[2], json.encode(case[1]))
    end)
  end
end)

describe("base64", function()
  for _, case in ipairs { -- RFC 4648 10
    { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\0\255\254", "AP/+" },
  } do
    it("of " .. #case[1] .. " bytes is " .. case[2], function()
      assert.equal(case[2], json.base64(case[1]))
    end)
  end
end)
