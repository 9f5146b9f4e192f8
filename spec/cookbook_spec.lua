-- docs/cookbook.md, docs/migrate.md and the README: programs are run as they stand there.
--
-- A block behind `<!-- play: NAME -->` is played against the script of that name, in the world of
-- wsclose.testing: no socket, no waiting.

local command = require "support.command"
local documents = require "support.documents"
local process = require "support.process"
local sources = require "support.sources"
local testing = require "wsclose.testing"

local PAGES = { "docs/cookbook.md", "docs/migrate.md", "README.md" }
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

local GIVEN = { ["wsclose.openresty"] = "wsclose" }

local function without_sockets(name)
  if name == "socket" or name:find "^socket%." then error("it takes LuaSocket", 2) end
  return require(GIVEN[name] or name)
end

local by_name = {}
for _, page in ipairs(PAGES) do
  for _, block in ipairs(documents.blocks(sources.read(page))) do
    local name = (block.mark or ""):match "^play: (.+)$"
    block.page = page
    if name or page ~= "README.md" then by_name[name or page] = block end
  end
end

local function play(name)
  local block = assert(by_name[name], "no document has it")
  local env, printed = documents.environment { require = without_sockets }
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
