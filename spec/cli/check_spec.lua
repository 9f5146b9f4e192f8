-- `wsclose check`: the transcripts of docs/command-line.md, each played anew against the server it
-- tells of, and what no transcript shows.
--
-- A block behind `<!-- transcript: NAME -->` begins with the command; its output is compared but
-- for times, which are the machine's, and ports.  Two servers are played in this process, on a
-- clock that is a number: one that closes TCP late, and one that never answers.

local certificates = require "support.certificates"
local cli = require "wsclose.cli"
local command = require "support.command"
local peers = require "support.peers"
local process = require "support.process"
local scripted = require "support.scripted_server"
local sources = require "support.sources"
local way = require "support.way"

local page = sources.read "docs/command-line.md"

local made, backend, nginx, proxy

setup(function()
  made = certificates.shared()
  backend = peers.start "websockets"
  nginx = way.nginx(made.folder, backend.port, { good = made.good, expired = made.expired })
  proxy = way.tinyproxy(made.folder, "BasicAuth me secret")
end)
teardown(process.stop_all)
after_each(scripted.close_all)

-- ---------------------------------------------------------------- playing

-- In this process: nothing happens but what the server does and what time brings, `step` seconds at
-- once.
local time

local function play(words, server, step)
  local printed = {}
  local function print_on(text) printed[#printed + 1] = text end
  local function now() return time end
  time = 1000
  local status = cli.main(words, {
    out = print_on, err = print_on, flush = function() end, now = now, clock = now,
    update = function(ws, seconds)
      local moved = server and server:step()
      local alive = ws:update(0)
      moved = server and server:step() or moved
      if not moved then time = time + math.min(seconds, step) end
      return alive
    end,
  })
  return table.concat(printed), status
end

-- Answers pings, and the Close at once; `at_end` is what it does then.
local function server_with(at_end)
  return scripted.new(function(c)
    c:upgrade()
    local frame
    repeat
      frame = c:frame()
      if frame.name == "ping" then c:send_pong(frame.payload) end
    until frame.name == "close"
    at_end(c)
  end)
end

-- ---------------------------------------------------------------- comparing

-- Times are the machine's; what stands in columns moves with them.
local function plain(text)
  text = text:gsub("%d+%.?%d* ms", "# ms"):gsub("in %-?%d+ days", "in # days")
    :gsub("wsclose/[%d.]+", "wsclose/#")
  text = text:gsub("nginx/[%d.]+", "nginx/#"):gsub("Date: [^\n]+", "Date: #")
  text = text:gsub("Python/[%d.]+ websockets/[%d.]+", "Python/# websockets/#")
  text = text:gsub("(TLS_AES_256_GCM_SHA384), %w+", "%1, #") -- the group is OpenSSL's choice
  return (text:gsub("[ \t]+", " "):gsub(" \n", "\n"))
end

-- The document's names and ports for those of this run.
local function as_told(text, ports)
  for told, real in pairs(ports) do
    text = text:gsub(":" .. real .. "%f[%D]", ":" .. told)
    text = text:gsub("port " .. real .. "%f[%D]", "port " .. told)
  end
  return text
end

local function words_of(line, ports)
  local words = {}
  for told, real in pairs(ports) do line = line:gsub(":" .. told .. "%f[%D]", ":" .. real) end
  for word in line:gmatch "%S+" do words[#words + 1] = word end
  assert(table.remove(words, 1) == "wsclose")
  return words
end

local function transcript(name)
  local text = page:match("<!%-%- transcript: " .. name .. " %-%->\n```console\n(.-\n)```")
  assert(text, "docs/command-line.md has no transcript " .. name)
  return text:match "^%$ ([^\n]+)\n(.*)$"
end

local function assert_told(name, ports, run)
  local line, expected = transcript(name)
  local output = run(words_of(line, ports))
  assert.equal(plain(expected), plain(as_told(output, ports)))
end

local function in_a_process(words)
  for i, word in ipairs(words) do
    if word == "authority.pem" then words[i] = made.ca end
  end
  local result = command.run(words)
  return result.out .. result.err
end

describe("the transcript of docs/command-line.md", function()
  it("of nginx before python's websockets, with compression", function()
    assert_told("deflate", { [8443] = nginx.ports.good }, in_a_process)
  end)

  it("of the same without compression", function()
    assert_told("plain", { [8443] = nginx.ports.good }, in_a_process)
  end)

  it("of a certificate that has expired", function()
    assert_told("expired", { [8444] = nginx.ports.expired }, in_a_process)
  end)

  it("of wss:// to a port without TLS", function()
    assert_told("no TLS", { [8080] = backend.port }, in_a_process)
  end)

  it("of a proxy that wants a password", function()
    assert_told("407", { [8443] = nginx.ports.good, [3128] = proxy.port }, in_a_process)
  end)

  it("of an address that never answers", function()
    assert_told("black hole", { [8081] = scripted.black_hole() }, function(words)
      return (play(words, nil, 0.5))
    end)
  end)

  it("of a server that closes TCP late", function()
    local server = server_with(function(c)
      local closed_at = time
      c:send_close(1000)
      c:wait("three seconds", function() return time >= closed_at + 3 end)
      c:finish()
    end)
    assert_told("late", { [8082] = server.port }, function(words)
      return (play(words, server, 0.25))
    end)
  end)
end)

describe("check", function()
  local function check(server, ...)
    local words = { "check", "--no-compression", server:url(), ... }
    local output, status = play(words, server, 0.25)
    return output, status
  end

  it("says that the server never closes TCP", function()
    local output, status = check(server_with(function(c)
      c:send_close(1000)
      c:stall()
    end))
    assert.equal(0, status)
    assert.matches("the server does not close TCP within 5 s: the client does\n", output, 1, true)
  end)

  it("says that the server does not answer the Close", function()
    local output, status = check(server_with(function(c) c:stall() end))
    assert.equal(4, status)
    assert.matches("\nclosing +FAILED: [^\n]+\nretry +", output)
  end)

  it("says how long an idle connection lasts, and what would keep it", function()
    local server = scripted.new(function(c)
      c:upgrade()
      for _ = 1, 5 do c:send_pong(c:expect("ping").payload) end
      local began = time
      c:wait("a second", function() return time >= began + 1 end)
      c:send_ping "alive?"
      c:wait("ten seconds", function() return time >= began + 10 end)
      c:finish()
    end)
    local output, status = check(server, "--idle", "60")
    assert.equal(4, status)
    assert.matches("\nidle +%d+%.%d s +FAILED: [^\n]*; 1 ping and 0 messages came\n", output)
    assert.matches("keepalive = { interval = 5 } would keep it alive\n", output, 1, true)
    assert.matches("\nretry +yes, after 0 to 2 s\n", output)
  end)

  it("says that an idle connection lasts", function()
    local output, status = check(server_with(function(c)
      c:send_close(1000)
      c:finish()
    end), "--idle", "30")
    assert.equal(0, status)
    assert.matches("\nidle +30%.%d s +0 pings and 0 messages came; the connection lasts\n", output)
  end)

  it("says that no pong comes", function()
    local server = scripted.new(function(c)
      c:upgrade()
      c:expect_close()
      c:send_close(1000)
      c:finish()
    end)
    assert.matches("\nround trip +FAILED: no pong came\n", (check(server)))
  end)

  it("shows a refusal with its head, and what retry makes of it", function()
    local server = scripted.new(function(c)
      c:refuse("503 Service Unavailable", {
        ["Retry-After"] = "30", ["Set-Cookie"] = "a=secret",
      })
    end)
    local output, status = check(server)
    assert.equal(3, status)
    assert.matches("\nhandshake +%S+ ms +FAILED: the server answered 503[^\n]*\nretry +"
      .. "yes, after 30 to 60 s\n", output)
    assert.matches("\nanswer\n  HTTP/1.1 503\n", output, 1, true)
    assert.matches("\n  Set%-Cookie: …\n", output)
  end)

  it("tells programs the same in one object", function()
    local server = server_with(function(c)
      c:send_close(1000)
      c:finish()
    end)
    local output, status = check(server, "--json", "--idle", "1")
    local pattern = '^{"answer":{.*"status":101},"closing":{"code":1000,.*"idle":{.*"phases":{.*'
      .. '"request":%["GET / HTTP/1.1",.*"round_trip":{"count":5,.*"status":0,"url":".*"}\n$'
    assert.equal(0, status)
    assert.matches(pattern, output)
  end)
end)
