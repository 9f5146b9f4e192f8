-- The option log and WSCLOSE_LOG: which lines there are, where they go, and what is never in them.

local command = require "support.command"
local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local URL = "wss://feed.example/v1"

-- A log that is kept, as "level sentence"; times of day and durations differ, and are left out.
local function keeper()
  local lines = {}
  return lines, function(level, sentence)
    lines[#lines + 1] = level .. " " .. sentence:gsub(" after [%d.e-]+ s", "")
  end
end

describe("the log of a client", function()
  after_each(testing.reset)

  local function play(options, script, url)
    local server = testing.server(url and url:gsub("//[^@/]*@", "//") or URL)
    script(server)
    local ws = assert(wsclose.new(url or URL, options))
    testing.run(ws, "closed")
    return ws
  end

  it("has one line for each attempt, its opening and its end", function()
    local lines, log = keeper()
    play({ log = log }, function(server) server:accept():close(1001, "restart") end)
    assert.same({
      "debug attempt 1, to wss://feed.example/v1",
      "info wss://feed.example/v1 is open: 192.0.2.1",
      'info connection to wss://feed.example/v1 closed by the peer: 1001 GOING_AWAY "restart"; '
        .. "1001 GOING_AWAY is not retried: the option retry is not set",
    }, lines)
  end)

  it("tells of a retry that would go on silently", function()
    local lines, log = keeper()
    local server = testing.server(URL)
    for _ = 1, 8 do server:accept():close(4000, "no") end
    local ws = wsclose.new(URL, { log = log, retry = true })
    testing.run(function() return ws:info().attempt == 8 and ws:state() == "waiting" end)
    local text = table.concat(lines, "\n")
    assert.matches("\nerror connection to %S+ closed by the peer: 4000 ", text)
    assert.matches("; next attempt in %d", text)
    assert.matches("\nerror 4000 [%w_]+ came 6 times in a row and is retried more slowly; "
      .. "codes = { %[4000%] = false } ends it\n", text)
    ws:close()
  end)

  it("tells of redirects", function()
    local lines, log = keeper()
    testing.server("wss://other.example/to"):accept():close(1000)
    play({ log = log, redirects = 1 }, function(server)
      server:refuse(302, { Location = "wss://other.example/to?id=secret" })
    end)
    assert.equal("debug redirected to wss://other.example/to?id=...", lines[2])
  end)

  it("is an error where something failed, and none where all ended in order", function()
    for _, case in ipairs {
      { "info", function(server) server:accept():close(1000) end },
      { "info", function(server) server:accept():close(1001) end },
      { "info", function(server) server:accept():close() end },
      { "info", function(server) server:accept():close(1012) end },
      { "error", function(server) server:accept():close(1013) end },
      { "error", function(server) server:accept():close(1008, "no") end },
      { "error", function(server) server:accept():reset() end },
      { "error", function(server) server:refuse(403) end },
    } do
      local lines, log = keeper()
      play({ log = log }, case[2])
      assert.equal(case[1], lines[#lines]:match "^%a+", lines[#lines])
      testing.reset()
    end
  end)

  it("has no secret in it", function()
    local lines, log = keeper()
    local url = "wss://user:secret1@feed.example/v1?token=secret2"
    play({
      log = log, trace = "payload", headers = { Authorization = "secret3", Cookie = "secret4" },
      on_open = function(ws)
        ws:send "secret5"
        ws:ping "secret6"
      end,
    }, function(server)
      server:accept():expect("secret5"):send("secret7"):close(1000)
    end, url)
    local text = table.concat(lines, "\n")
    assert.is_nil(text:find "secret", text)
    assert.matches("frames out text, %d+ bytes", text)
    assert.matches("frames in close, 2 bytes, 1000", text)
    assert.matches("to wss://feed.example/v1?token=...", text, 1, true)
  end)

  it("says of frames what they are, where there is a trace", function()
    local lines, log = keeper()
    play({
      log = log, trace = true, extensions = {},
      on_open = function(ws)
        local writer = ws:send_fragments()
        writer:write "a"
        writer:finish "b"
      end,
    }, function(server) server:accept():expect("ab"):close(4001, "bye\nbye") end)
    local frames = {}
    for _, line in ipairs(lines) do
      if line:find "^frames" then frames[#frames + 1] = line end
    end
    assert.same({
      "frames out text, 1 bytes, more follows",
      "frames out continuation, 1 bytes",
      'frames in close, 9 bytes, 4001 "bye?bye"',
      'frames out close, 9 bytes, 4001 "bye?bye"',
    }, frames)
  end)

  it("is always one line, whatever a peer says", function()
    local lines, log = keeper()
    play({ log = log }, function(server)
      server:accept():close(4001, "a\nb\27[31m\194\155c")
    end)
    assert.matches('"a?b?[31m?c"', lines[#lines], 1, true)
    for _, line in ipairs(lines) do assert.is_nil(line:find "%c") end
  end)

  it("may raise: it comes out of the call, and the program is told all the same", function()
    local told = 0
    testing.server(URL):accept():close(1000)
    local ws = wsclose.new(URL, {
      log = function(level) if level == "info" then error("full", 0) end end,
      on_close = function() told = told + 1 end,
    })
    local raised = 0
    for _ = 1, 2 do
      local ok, why = pcall(testing.run, ws, "closed")
      if not ok and tostring(why):find "full" then raised = raised + 1 end
    end
    ws:update()
    assert.same({ 2, 1 }, { raised, told })
  end)

  it("is handed the client", function()
    local seen
    local ws = play({ log = function(_, _, client) seen = client end }, function(server)
      server:accept():close(1000)
    end)
    assert.equal(ws, seen)
  end)
end)

describe("a wrong log", function()
  for _, case in ipairs { { 5, "5" }, { "verbose", "string" }, { true, "true" } } do
    it("is refused: " .. tostring(case[1]), function()
      local ok, message = pcall(wsclose.new, URL, { log = case[1] })
      assert.is_false(ok)
      assert.equal('option \'log\': expected "error", "info", "debug", "frames" or a function, got '
        .. case[2], message)
    end)
  end
end)

describe("the lines of a program", function()
  local PROGRAM = [[
    local testing = require "wsclose.testing"
    local wsclose = require "wsclose"
    local server = testing.server "ws://feed.example/"
    server:accept():close(1008, "no")
    local ws = wsclose.new("ws://feed.example/", %s)
    testing.run(ws, "closed")
  ]]

  local LINE = "^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d wsclose (%a+): %S"

  -- Standard error without times, and without what is said of the level before the levels' names.
  local function lines_of(options, environment)
    local words = command.words({}, { "-e", PROGRAM:format(options) })
    words[#words] = nil -- bin/wsclose
    local prefix = environment and "WSCLOSE_LOG=" .. environment .. " " or ""
    local result = command.shell(prefix .. command.quoted(words))
    assert.equal(0, result.status, result.err)
    assert.equal("", result.out)
    local levels = {}
    for line in result.err:gmatch "[^\n]+" do
      levels[#levels + 1] = line:match(LINE) or line
    end
    return table.concat(levels, " "), result.err
  end

  for _, case in ipairs {
    { "nil", nil, "" },
    { "nil", "", "" },
    { "nil", "error", "error" },
    { "nil", "info", "info error" },
    { "nil", "debug", "debug info error" },
    { "nil", "frames", "debug info frames frames error" },
    { "{ retry = false }", "info", "info error" },
    { "{ log = false }", "info", "" },
    { "{ log = 'error' }", "frames", "error" },
    { "{ log = 'debug' }", nil, "debug info error" },
    { "{ log = 'frames' }", nil, "debug info frames frames error" },
    { "{ log = function() end }", "frames", "" },
  } do
    it(("with %s and WSCLOSE_LOG=%s: %s"):format(case[1], case[2] or "", case[3]), function()
      assert.equal(case[3], (lines_of(case[1], case[2])))
    end)
  end

  it("say once that WSCLOSE_LOG is wrong, and nothing more", function()
    local levels, text = lines_of("nil", "verbose")
    assert.equal("error", levels)
    assert.matches('WSCLOSE_LOG: expected error, info, debug or frames, got "verbose"\n$', text)
  end)
end)

describe("clients that log alike", function()
  it("share their settings", function()
    local a = wsclose.new(URL, { log = "error" })
    local b = wsclose.new(URL, { log = "error" })
    assert.equal(a._settings, b._settings)
  end)
end)
