-- The words of a command line: what is taken, what is refused with which sentence.

local arguments = require "wsclose.cli.arguments"
local checks = require "wsclose.checks"
local cli = require "wsclose.cli"
local connection = require "wsclose.cli.connection"
local manual = require "wsclose.cli.manual"
local sources = require "support.sources"

local URL = "ws://feed.example/"

describe("a command line", function()
  it("talks where no command is named, whatever the order", function()
    local read = assert(arguments.read { "--json", URL, "-x", "hello" })
    assert.same({ command = "talk", operands = { URL }, json = true, exec = { "hello" } }, read)
  end)

  it("takes values behind = and behind a letter, and letters together", function()
    local read = assert(arguments.read { "--wait=2.5", "-Ha: b", "-1q", "-kx", "text", URL })
    assert.same({
      command = "talk", operands = { URL }, wait = 2.5, header = { "a: b" }, one = true,
      quiet = true, insecure = true, exec = { "text" },
    }, read)
  end)

  it("has no options behind --, and none in a single -", function()
    assert.same({ "--json", "-" }, assert(arguments.read { "--", "--json", "-" }).operands)
    assert.same({ "-" }, assert(arguments.read { "-" }).operands)
  end)

  it("waits without end where seconds are inf", function()
    assert.equal(math.huge, assert(arguments.read { "--wait", "inf", URL }).wait)
  end)

  for _, case in ipairs {
    { { "--exce", "a" }, "unknown option --exce; did you mean --exec?" },
    { { "check", "--exec", "a" }, "--exec is no option of wsclose check" },
    { { "-z" }, "unknown option -z; wsclose --help tells which there are" },
    { { "--exec" }, "--exec: TEXT is missing" },
    { { "--wait", "soon" }, "--wait: expected seconds, got 'soon'" },
    { { "--wait", "-1" }, "--wait: expected seconds, got '-1'" },
    { { "--wait", "0x10" }, "--wait: expected seconds, got '0x10'" },
    { { "--wait", "nan" }, "--wait: expected seconds, got 'nan'" },
    { { "--json=yes" }, "--json takes no value" },
    { { "--ca", "a", "--ca", "b" }, "--ca is given twice" },
  } do
    it("is refused: " .. case[2], function()
      assert.same({ nil, case[2] }, { arguments.read(case[1]) })
    end)
  end

  it("may have every option that the manual tells, and no other", function()
    for _, command in ipairs(manual.commands) do
      for _, option in ipairs(manual.options) do
        local words = { command.name, "--" .. option.long }
        if command.name == "talk" then table.remove(words, 1) end
        if option.argument then words[#words + 1] = "1" end
        local taken = option.commands == "all" or option.commands:find(command.name, 1, true)
        assert.equal(taken ~= nil, arguments.read(words) ~= nil, table.concat(words, " "))
      end
    end
  end)

  it("leaves the words it was given as they were", function()
    local words = { "-1q", URL }
    arguments.read(words)
    assert.same({ "-1q", URL }, words)
  end)
end)

describe("--require", function()
  it("takes an extension's parameters: with a number, with a word, or alone", function()
    local word = "one; a=12; b=fast; c"
    assert.same({
      ["permessage-deflate"] = {},
      one = { required = true, require = { "a", "b", "c" }, a = 12, b = "fast", c = true },
    }, connection.options({ require = { word } }).extensions)
  end)
end)

describe("the exit status of a connection that was closed in order", function()
  for code, status in pairs { [1000] = 0, [1001] = 0, [1005] = 0, [1011] = 1, [1012] = 1 } do
    it(("is %d for %d"):format(status, code), function()
      assert.equal(status, connection.status { clean = true, opened = true, code = code })
    end)
  end
end)

describe("the manual", function()
  it("gives every option but one name, and letters only once", function()
    local seen = {}
    for _, option in ipairs(manual.options) do
      for _, name in ipairs { option.long, option.short } do
        assert.is_nil(seen[name], name)
        seen[name] = true
      end
    end
    assert.is_true(#checks.sorted_names("", seen) > 20)
  end)

  it("has lines of 79 bytes at most, but for what cannot be broken", function()
    for line in manual.help("wsclose 1.2.3"):gmatch "[^\n]+" do
      assert.is_true(#line <= 79 + 4, line) -- an ellipsis counts three
    end
  end)

  it("has the options and statuses that docs/command-line.md has", function()
    local page, told, known = sources.read "docs/command-line.md", {}, {}
    for row in page:gmatch "\n| ([^|]+) |" do
      for name in row:gmatch "`(%-%-?[%w-]+)`" do told[name] = true end
      if row:find "^%d+$" then told[tonumber(row)] = true end
    end
    for _, option in ipairs(manual.options) do
      known["--" .. option.long] = true
      if option.short then known["-" .. option.short] = true end
    end
    for _, row in ipairs(manual.statuses) do known[row.status] = true end
    assert.same(known, told)
  end)

  it("says behind an option which command alone takes it", function()
    local page = manual.help("wsclose 1.2.3"):gsub("%s+", " ")
    for _, told in ipairs {
      "Ends with the first message that comes. Not with check. -w,",
      "to see whether the connection lasts (0). With check. -h,",
      "Does not offer permessage-deflate. --ca FILE",
    } do
      assert.matches(told, page, 1, true)
    end
  end)

  it("becomes the same page each time, with the version", function()
    local page = manual.page "wsclose 1.2.3"
    assert.equal(page, manual.page "wsclose 1.2.3")
    assert.truthy(page:find('.TH WSCLOSE 1 "" "wsclose 1.2.3" "User Commands"', 1, true))
    assert.truthy(page:find("\n.TP\n.B \\-\\-wait SECONDS\n", 1, true)
      or page:find("\n.TP\n.B \\-w, \\-\\-wait SECONDS\n", 1, true))
  end)

  it("becomes a page on which no line begins with a quote or a stray dot", function()
    for line in manual.page("wsclose 1.2.3"):gmatch "[^\n]+" do
      assert.is_nil(line:match "^'", line)
      if line:find "^%." then assert.truthy(line:find "^%.[STBP][HP]? ?" , line) end
    end
  end)
end)

describe("the command", function()
  for _, case in ipairs {
    { { "explain", "1001" }, 0 }, { { "--version" }, 0 }, { { "explain" }, 2 },
  } do
    it("shows what it has printed before it ends: " .. table.concat(case[1], " "), function()
      local flushed, printed = 0, 0
      local function print_on() printed = printed + 1 end
      local status = cli.main(case[1], {
        out = print_on, flush = function() flushed = flushed + 1 end,
        err = function() assert.equal(1, flushed) end,
      })
      assert.same({ case[2], 1, case[2] == 0 and 1 or 0 }, { status, flushed, printed })
    end)
  end
end)
