-- Programs of the documents, run as they stand there: all of docs/cookbook.md and docs/migrate.md,
-- and others that are marked.
--
-- A block behind `<!-- play: NAME -->` is played against the script of that name, in the world of
-- wsclose.testing: no socket, no waiting.

local command = require "support.command"
local documents = require "support.documents"
local json = require "dkjson"
local process = require "support.process"
local sources = require "support.sources"
local testing = require "wsclose.testing"

local PAGES = {
  "docs/cookbook.md", "docs/migrate.md", "README.md", "docs/hosts/openresty.md",
  "docs/hosts/love.md",
}
local ALL = { ["docs/cookbook.md"] = true, ["docs/migrate.md"] = true } -- of these each block
local FEED = "wss://feed.example/v1"

-- ---------------------------------------------------------------- scripts

-- What the server does.  Given back is a function of what the program printed, line by line; `env`
-- are the program's globals.
local scripts = {}

function scripts.subscribe()
  local server = testing.server(FEED)
  local function subscribed()
    return server:accept():expect("subscribe BTC"):expect "subscribe ETH"
  end
  subscribed():send("BTC 1"):close(1001, "restart")
  subscribed():send("BTC 2"):close(1000, "the end")
  return function(printed)
    server:assert_done()
    assert.equal("BTC 1", printed[1])
    assert.matches('peer: 1001 GOING_AWAY "restart" .*; next attempt in 2.5 s$', printed[2])
    assert.equal("BTC 2", printed[3])
    assert.matches('1000 NORMAL "the end"', printed[4], 1, true)
  end
end

function scripts.readme()
  local server = testing.server "ws://127.0.0.1:9001/"
  server:accept():expect("subscribe BTC"):send("BTC 1"):close(1001, "the server goes away")
  server:accept():expect("subscribe BTC"):send("BTC 2"):close(1000)
  return function(printed)
    server:assert_done()
    assert.same({ "text BTC 1", "text BTC 2" }, { printed[1], printed[4] })
    assert.matches("next attempt in 2.5 s", printed[3], 1, true)
    assert.matches("^1000", printed[#printed])
  end
end

function scripts.heartbeat()
  local server = testing.server(FEED)
  server:accept():expect("ping"):send("pong"):send("one"):expect("ping"):send "pong"
  server:expect "ping" -- and no answer
  server:expect_close(4000, "no answer to the heartbeat")
  server:accept():expect("ping"):send("pong"):close(1000, "the end")
  return function(printed)
    server:assert_done()
    assert.equal("one", printed[1])
    assert.matches('4000 PRIVATE "no answer to the heartbeat" after 120 s', printed[2])
    assert.equal(150, testing.clock():now())
  end
end

-- Messages as tables.
local function say(server, message) server:send(json.encode(message)) end
local function hear(server) return (json.decode((server:expect()))) end

function scripts.rpc()
  testing.server("wss://rpc.example/", function(server)
    server:accept()
    local sum, sleep = hear(server), hear(server)
    assert.same({ jsonrpc = "2.0", id = 1, method = "add", params = { 1, 2 } }, sum)
    assert.equal("sleep", sleep.method)
    local add = hear(server)
    say(server, { method = "hello" })
    say(server, { id = add.id, result = 42 })
    say(server, { id = sum.id, result = 3 })
    server:wait(6)
    say(server, { id = sleep.id, result = "too late" })
    server:close(1001, "restart")
  end)
  return function(printed)
    assert.same({
      "told hello", "add 42 nil", "sum 3", "sleep no answer within 5 s",
    }, printed)
  end
end

function scripts.token(env)
  local fetched = 0
  function env.fetch_token()
    fetched = fetched + 1
    if fetched == 3 then return nil, "the token server is away" end
    return "token " .. fetched, 3600
  end
  local asked = {}
  testing.server("wss://api.example/v1", function(server)
    for i = 1, 4 do
      asked[i] = server:request().headers.authorization
      if i == 1 then
        server:refuse(401)
      else
        server:accept()
        if i == 2 then server:close(4001, "your token has run out") end
        if i == 3 then server:expect_close(1000, "a new token") end
      end
    end
    server:close(1000, "the end")
  end)
  return function()
    assert.same({ "Bearer token 1", "Bearer token 2", "Bearer token 4", "Bearer token 5" }, asked)
    local renewed = testing.clock():now() - 3540
    assert.is_true(renewed > 0 and renewed < 60, "it was renewed a minute before it ran out")
  end
end

function scripts.two()
  local prices = testing.server "wss://prices.example/"
  prices:accept():expect("subscribe BTC"):send("120"):wait(15):close(1001, "restart")
  prices:accept():expect("subscribe BTC"):send("90"):wait(10):close(1000)
  local orders = testing.server "wss://orders.example/"
  orders:accept():expect("buy at 90"):send("bought"):close(1000)
  return function(printed)
    prices:assert_done()
    orders:assert_done()
    assert.same({ "bought" }, printed)
  end
end

function scripts.market()
  testing.server("wss://market.example/", function(server)
    local function subscribed(number)
      server:accept()
      assert.equal("prices", hear(server).channel)
      say(server, { snapshot = { BTC = 1, ETH = 2 }, number = number })
      say(server, { name = "BTC", price = 3, number = number + 1 })
    end
    subscribed(7)
    say(server, { name = "BTC", price = 4, number = 10 })
    say(server, { name = "BTC", price = 5, number = 9 })
    server:expect_close(4000, "a gap in the feed")
    subscribed(20)
    server:close(1000, "restart")
    subscribed(30)
    server:expect_close(4000, "the feed is silent")
    server:fail "certificate"
  end)
  return function(printed)
    assert.equal("BTC 3", printed[1])
    assert.matches('4000 PRIVATE "a gap in the feed"', printed[2], 1, true)
    assert.equal("BTC 3", printed[3])
    assert.matches('1000 NORMAL "restart" .*; next attempt', printed[4])
    assert.equal("BTC 3", printed[5])
    assert.matches('4000 PRIVATE "the feed is silent" after 1%d', printed[6])
    assert.matches("1015 TLS_HANDSHAKE", printed[7], 1, true)
    assert.is_nil(printed[8])
  end
end

-- At the second address a session goes on.
function scripts.gateway(env)
  local asked, accepted_at, invalid_at = {}, nil, nil
  local function greeted(server)
    server:accept()
    accepted_at = testing.clock():now()
    say(server, { op = 10, d = { heartbeat_interval = 40000 } })
    asked[#asked + 1] = hear(server)
  end
  local function ready(server, id)
    say(server, { op = 0, s = 1, t = "READY", d = {
      session_id = id, resume_gateway_url = "wss://resume.example",
    } })
  end
  local function beats(server, count)
    local began = testing.clock():now()
    for i = 1, count do
      assert.equal(1, hear(server).op)
      assert.equal(i * 40 - 30, testing.clock():now() - began)
      say(server, { op = 11 })
    end
  end
  testing.server("wss://gateway.example", function(server)
    greeted(server)
    ready(server, "abc")
    say(server, { op = 0, s = 2, t = "MESSAGE_CREATE", d = { content = "hello" } })
    beats(server, 3)
    assert.same({ op = 1, d = 2 }, hear(server))
    server:expect_close(4000, "no answer to the heartbeat")
    greeted(server)
    assert.equal(3, accepted_at - invalid_at) -- the middle of 1 to 5 s
    ready(server, "def")
    server:drop()
    greeted(server)
    beats(server, 3)
    server:close(4004, "Authentication failed.")
  end)
  testing.server("wss://resume.example", function(server)
    greeted(server)
    say(server, { op = 7 })
    server:expect_close(4000, "asked to")
    greeted(server)
    say(server, { op = 9, d = false })
    invalid_at = testing.clock():now()
    server:expect_close(4000, "invalid session")
    greeted(server)
    server:close(4009, "Session timed out.")
  end)
  function env.math.random() return 0.25 end
  return function(printed)
    local told = {}
    for i, message in ipairs(asked) do
      local d = message.d
      told[i] = ("%d %s %s"):format(message.op, tostring(d.session_id), tostring(d.seq))
    end
    assert.same({
      "2 nil nil", "6 abc 2", "6 abc 2", "2 nil nil", "6 def 1", "2 nil nil",
    }, told)
    assert.equal("hello", printed[1])
    assert.matches('"no answer to the heartbeat" after 170 s', printed[2], 1, true)
    assert.matches("4004 PRIVATE .* is not retried", printed[#printed - 1])
    assert.matches("^4004 Authentication failed.", printed[#printed])
  end
end

-- Ten minutes of sleep while open, and ten while it waits for the next attempt.
function scripts.suspend(env)
  local server = testing.server(FEED)
  server:accept():expect_close(1001, "the machine slept")
  server:accept():wait(42):close(1013, "busy")
  server:accept():send("one"):close(1000)
  function env.os.time()
    local now = testing.clock():now()
    return math.floor(now) + (now > 21 and 600 or 0) + (now > 66 and 600 or 0)
  end
  return function(printed)
    server:assert_done()
    assert.matches('1001 GOING_AWAY "the machine slept" after 25 s', printed[1], 1, true)
    assert.matches('1013 TRY_AGAIN_LATER "busy" .*; next attempt in 20 s', printed[2])
    assert.equal("one", printed[3])
    assert.equal(70, testing.clock():now())
  end
end

function scripts.mistakes()
  local server = testing.server(FEED)
  server:accept():expect_close(1000)
  return function() server:assert_done() end
end

scripts["end"] = function(env)
  local server = testing.server(FEED)
  server:accept():send("one"):expect_close(1001, "the program ends")
  local print_on = env.print
  function env.print(text, ...)
    print_on(text, ...)
    if text == "one" then error "interrupted!" end -- what the interpreter makes of Ctrl-C
  end
  return function() server:assert_done() end
end

scripts["lua-websockets"] = function()
  local server = testing.server(FEED)
  server:accept({ protocol = "echo" }):expect("hello"):send "hello"
  server:expect_close(4001, "lost interest")
  return function() server:assert_done() end
end

scripts["lua-http"] = function()
  local server = testing.server(FEED)
  server:accept():expect('{"type": "subscribe", "product": "BTC"}'):send("1"):send "2"
  return function(printed) assert.same({ "1 text", "2 text" }, { printed[1], printed[2] }) end
end

-- Its light threads are not played: the program is given the plain module.
scripts["lua-resty-websocket"] = function(env)
  local server = testing.server(FEED)
  server:refuse(503):accept():expect("subscribe"):send("one"):close(1000, "the end")
  env.ngx = { say = env.print, log = env.print, ERR = "ERR", NOTICE = "NOTICE" }
  return function(printed)
    assert.equal("one", printed[1])
    assert.matches('^NOTICE connection .* 1000 NORMAL "the end"', printed[2])
  end
end

function scripts.openresty(env)
  local server = testing.server(FEED)
  server:accept():expect("hello"):send("one"):close(1001, "restart")
  server:accept():expect("hello"):send("two"):close(1000)
  env.ngx = { say = env.print }
  return function(printed) assert.same({ "text one", "text two" }, printed) end
end

function scripts.love(env)
  local server = testing.server "wss://play.example/room"
  server:accept():expect("join"):send("one"):close(1001, "restart")
  server:accept():expect("join"):send("two"):close(1000)
  env.love = {}
  env.world = { apply = function(_, data) env.print(data) end }
  env.hud = { say = function(_, text) env.print(text) end }
  return function(printed)
    for _ = 1, 600 do
      env.love.update()
      testing.clock():advance(1 / 60)
    end
    assert.same({ "one", "two" }, { printed[1], printed[3] })
    assert.matches("1001 GOING_AWAY", printed[2], 1, true)
  end
end

function scripts.pollnet(env)
  local server = testing.server "wss://chat.example/"
  server:accept():expect("JOIN #channel"):send("PING"):expect("PONG"):send("hello"):drop()
  local ticks = 0
  function env.each_game_tick(tick)
    while ticks < 60 do
      tick()
      ticks = ticks + 1
      testing.clock():advance(1 / 60)
    end
  end
  return function(printed)
    server:assert_done()
    assert.equal("CHAT: hello", printed[1])
    assert.matches("1006 ABNORMAL, the connection ended", printed[2], 1, true)
  end
end

-- ---------------------------------------------------------------- playing

local function without_sockets(name)
  if name == "socket" or name:find "^socket%." then error("it takes LuaSocket", 2) end
  if name == "wsclose.love" then return testing.host(name) end
  return require(name == "wsclose.openresty" and "wsclose" or name)
end

local by_name = {}
for _, page in ipairs(PAGES) do
  for _, block in ipairs(documents.blocks(sources.read(page))) do
    local name = (block.mark or ""):match "^play: (.+)$"
    block.page = page
    if name or ALL[page] then by_name[name or page] = block end
  end
end

local function play(name)
  local block = assert(by_name[name], "no document has it")
  local env, printed = documents.environment {
    require = without_sockets, math = setmetatable({}, { __index = math }),
    os = setmetatable({}, { __index = os }),
  }
  local check = scripts[name](env)
  documents.compile(block.page, block, nil, env)()
  documents.assert_printed(block.text, printed)
  check(printed)
end

local function outcome_in_a_shell(url)
  local wsclose = command.quoted(command.words {})
  local definitions = ("wsclose() { %s \"$@\"; }\nURL=%s\n"):format(wsclose, url)
  return command.shell(definitions .. by_name.shell.text).out
end

describe("the program", function()
  after_each(testing.reset)
  teardown(process.stop_all)

  for name in pairs(scripts) do
    it('"' .. name .. '" of the documents does what it says', function() play(name) end)
  end

  it('"shell" of docs/cookbook.md does what it says', function()
    local server = command.serve()
    local url = "ws://" .. server.address .. "/"
    assert.equal("the answer is time?\n", outcome_in_a_shell(url))
    server:stop()
    assert.equal("the server cannot be reached\n", outcome_in_a_shell(url))
  end)
end)

describe("a block of docs/cookbook.md or docs/migrate.md", function()
  for name, block in pairs(by_name) do
    it(("is played: line %d of %s"):format(block.line, block.page), function()
      assert.is_truthy(scripts[name] or name == "shell", "it has no script")
    end)
  end
end)
