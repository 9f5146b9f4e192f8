-- `wsclose URL`, as a process of its own: what goes in, what comes out, how it ends.

local command = require "support.command"
local process = require "support.process"
local scripted = require "support.scripted_server"

local server, url

setup(function()
  server = command.serve()
  url = "ws://" .. server.address .. "/"
end)
teardown(process.stop_all)
after_each(scripted.close_all)

local function run(words, input)
  local result = command.run(words, input)
  return result.status, result.out, result.err
end

describe("lines of standard input", function()
  it("are messages, and messages are lines; the last needs no end", function()
    local status, out, err = run({ url }, "one\n\nthr\195\182e\nfour")
    assert.same({ 0, "one\n\nthr\195\182e\nfour\n" }, { status, out })
    assert.matches("^wsclose: connection to ws://127.0.0.1:%d+/ closed by this client: "
      .. "1000 NORMAL after [%d.e-]+ s\n$", err)
  end)

  it("may be so many that they do not fit into one read", function()
    local lines = {}
    for i = 1, 20000 do lines[i] = ("line %d of many\n"):format(i) end
    local text = table.concat(lines)
    local status, out = run({ url }, text)
    assert.equal(0, status)
    assert.is_true(out == text)
  end)

  it("may be long: over many reads, compressed and not", function()
    local text = ("a long line, "):rep(80000) .. "\n"
    for _, path in ipairs { "", "plain" } do
      local status, out = run({ url .. path }, text)
      assert.equal(0, status)
      assert.is_true(out == text)
    end
  end)

  it("that are no text are not sent, which is said; the others are", function()
    local status, out, err = run({ url }, "one\n\255\nthree\n")
    assert.same({ 1, "one\nthree\n" }, { status, out })
    assert.matches("a message was not sent: .*; %-%-binary sends bytes as they are\n", err)
  end)

  it("end where one is longer than a message may be", function()
    local line = command.quoted(command.words { "-q", url })
    local result = command.shell("head -c 17000000 /dev/zero | tr '\\0' a | " .. line)
    assert.same({ 1, "" }, { result.status, result.out })
  end)
end)

describe("with --binary", function()
  it("bytes go out and come in as they are", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    bytes = table.concat(bytes):rep(300)
    local status, out = run({ "--binary", url }, bytes)
    assert.equal(0, status)
    assert.is_true(out == bytes)
  end)
end)

describe("with --exec", function()
  it("the texts are sent, and standard input is left alone", function()
    local status, out = run({ "-x", "a", "-x", "b", url }, "c\n")
    assert.same({ 0, "a\nb\n" }, { status, out })
  end)

  it("and --one the first answer is printed, and that is all", function()
    local status, out = run { "-x", "a", "-x", "b", "--one", url }
    assert.same({ 0, "a\n" }, { status, out })
  end)

  it("and --wait answers are waited for, until the server closes", function()
    local status, out, err = run { "-x", "a", "-x", "close 4000 enough", "--wait", "inf", url }
    assert.same({ 1, "a\n" }, { status, out })
    assert.matches('closed by the peer: 4000 PRIVATE "enough"', err, 1, true)
  end)
end)

describe("with --json", function()
  it("each event is an object on a line of its own", function()
    local status, out = run { "--json", "-x", "hello", "--one", url }
    assert.equal(0, status)
    local open, message, close, rest = out:match "^(%b{})\n(%b{})\n(%b{})\n(.*)$"
    assert.equal("", rest)
    assert.equal(('{"event":"open","address":"127.0.0.1","extensions":["permessage-deflate"],'
      .. '"port":%d,"url":"%s"}'):format(server.address:match ":(%d+)", url), open)
    assert.equal('{"event":"message","data":"hello","kind":"text"}', message)
    assert.matches('^{"event":"close","by":"client","clean":true,"code":1000,', close)
    assert.matches('"sentence":"connection to ws://', close, 1, true)
  end)

  it("a fault has its name, its sentence and its phase", function()
    local _, out = run { "--json", ("ws://127.0.0.1:%d/"):format(scripted.refused_port()) }
    assert.matches('"error":{"message":"connection refused by 127.0.0.1[^"]*","name":"refused",'
      .. '"phase":"tcp"}', out)
  end)

  it("the server's Close has the code it was asked for, or 1000", function()
    for text, code in pairs { close = 1000, ["close 1001"] = 1001 } do
      local _, out = run { "--json", "-x", text, "--wait", "inf", url }
      assert.matches(('"code":%d,'):format(code), out, 1, true)
    end
  end)

  it("binary messages are base64", function()
    local _, out = run({ "--json", "--binary", url }, "\0\255\254")
    assert.matches('{"event":"message","base64":"AP/+","kind":"binary"}\n', out, 1, true)
  end)
end)

describe("the exit status", function()
  it("is 0 where the server closes in order", function()
    assert.equal(0, (run { "-x", "close 1001", "--wait", "inf", url }))
    assert.equal(0, (run { "-x", "close 1000", "--wait", "inf", url }))
  end)

  it("is 1 where it closes with another code, or no message comes for --one", function()
    assert.equal(1, (run { "-x", "close 1011", "--wait", "inf", url }))
    assert.equal(1, (run { "-x", "close 1000", "--one", url }))
  end)

  for _, case in ipairs {
    { {}, "usage: wsclose [OPTION…] URL; wsclose --help tells more" },
    { { "http://127.0.0.1/" }, 'the URL "http://127.0.0.1/" does not begin with' },
    { { "-H", "secret", "ws://a/" }, "--header: expected 'NAME: VALUE'\n" },
    { { "-H", "@/nowhere/at all", "ws://a/" }, "--header: /nowhere/at all: No such file" },
    { { "-H", "Host: \1", "ws://a/" }, "option 'headers" },
    { { "--resolve", "a", "ws://a/" }, "--resolve: expected HOST:ADDRESS, got 'a'" },
    { { "--proxy", "ftp://a", "ws://a/" }, "option 'proxy'" },
    { { "--require", "; x", "ws://a/" }, "--require: expected the name of an extension" },
    { { "explain", "x" }, "expected a close code, got 'x'" },
    { { "compare", "1001" }, "usage: wsclose compare CODE CODE" },
    { { "serve", "70000" }, "expected a port, got '70000'" },
  } do
    it("is 2 where the command line is wrong: " .. case[2], function()
      local status, out, err = run(case[1])
      assert.same({ 2, "" }, { status, out })
      assert.matches("wsclose: " .. case[2], err, 1, true)
    end)
  end

  it("is 3 where it never opens", function()
    local status, _, err = run { ("ws://127.0.0.1:%d/"):format(scripted.refused_port()) }
    assert.equal(3, status)
    assert.matches("failed: 1006 ABNORMAL, connection refused by 127.0.0.1", err, 1, true)
    assert.matches("; see %-%-retry\n$", err)
  end)

  it("is 4 where the connection is lost", function()
    local status, _, err = run { "-x", "drop", "--wait", "inf", url }
    assert.equal(4, status)
    assert.matches("lost: 1006 ABNORMAL", err, 1, true)
  end)

  it("is 5 where the server lacks an extension that is required", function()
    local wanted = "permessage-deflate; server_no_context_takeover"
    assert.equal(0, (run { "--require", wanted, "-x", "a", url }))
    local status, _, err = run { "--require", wanted, "-x", "a", url .. "plain" }
    assert.equal(5, status)
    assert.matches("switch it on at the server or make it optional\n$", err)
  end)
end)

describe("with --quiet", function()
  it("nothing is said but what is wrong with the command line", function()
    assert.same({ 0, "a\n", "" }, { run { "-q", "-x", "a", url } })
    assert.not_equal("", select(3, run { "-q", "--nonsense", url }))
  end)
end)

describe("no secret", function()
  it("is in what is printed: passwords, values of queries and of headers", function()
    local secret = url:gsub("//", "//user:pass5word@") .. "?key=tok5en&b=tok5en"
    for _, words in ipairs {
      { "-H", "X-Key: tok5en", "--json", "-x", "a", secret },
      { "-H", "X-Key: tok5en", "check", secret },
      { "check", "-H", "X-Key: tok5en", "--json", secret },
      { "check", "-H", "X-Key: tok5en", secret },
      { "-x", "drop", "--wait", "inf", secret },
      { (secret:gsub(":%d+/", ":" .. scripted.refused_port() .. "/")) },
    } do
      local _, out, err = run(words)
      assert.is_nil((out .. err):match "[tp]%a+5%a+", table.concat(words, " ") .. out .. err)
    end
  end)
end)

describe("headers", function()
  it("come from the command line and from a file", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("X-First: 1\r\n\nX-Second:2\n")
    file:close()
    local _, out, err = run { "check", "-H", "@" .. path, "-H", "X-Third: 3", url }
    os.remove(path)
    assert.equal("", err)
    assert.matches("\n  X%-First: …\n  X%-Second: …\n  X%-Third: …\n", out)
  end)
end)

describe("close codes", function()
  it("are explained and compared", function()
    local status, out = run { "explain", "1010" }
    assert.equal(0, status)
    assert.matches("^1010 MANDATORY_EXTENSION\n  The client ends the connection", out)
    assert.matches("\n  retried   no: the server does not agree", out, 1, true)
    local _, both = run { "compare", "1001", "1010" }
    assert.matches("\n1010 MANDATORY_EXTENSION\n", both, 1, true)
    assert.matches("never passes by retrying.\n$", both)
  end)
end)
