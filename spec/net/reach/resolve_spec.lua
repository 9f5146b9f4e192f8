-- Names are looked up on a helper thread: the program never waits for it, and nothing stays behind.
local lfs = require "lfs"
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
local testing = require "wsclose.core_testing"
local wsclose = require "wsclose"

local function quiet_server(host)
  return scripted.new {
    host = host,
    function(c)
      c:upgrade()
      c:stall()
    end,
  }
end

-- A recorder whose names are looked up at a resolver of the spec.
local function asking(url, options, server)
  local resolver = network.resolver()
  local r = recorder.new(url, options, server)
  resolver:attach(r.ws)
  return r, resolver
end

describe("a name", function()
  after_each(network.close_all)

  it("is looked up, and the addresses found are connected to", function()
    local server = quiet_server "127.0.0.2"
    local url = ("ws://Feed.Example:%d/"):format(server.port)
    local r, resolver = asking(url, nil, server)
    r.ws:update()
    local question = resolver:question()
    assert.same({ host = "feed.example", port = server.port, family = 0 }, question)
    assert.equal("dns", r.ws:info().phase)
    assert.is_nil(r.ws:info().address)
    resolver:answer("127.0.0.3", "127.0.0.2")
    assert.equal("127.0.0.2", r:wait_open().address)
  end)

  for _, family in ipairs { 4, 6 } do
    it("is looked up for IPv" .. family .. " alone with family = " .. family, function()
      local r, resolver = asking("ws://feed.example/", { family = family })
      r.ws:update()
      assert.equal(family, resolver:question().family)
    end)
  end

  it("is looked up once for an attempt, and anew for the next", function()
    local r, resolver = asking("ws://feed.example/", { retry = true })
    for _ = 1, 5 do
      r.ws:update()
    end
    resolver:answer "EAI_NONAME"
    r:wait_close()
    assert.equal("feed.example", resolver:question().host)
    assert.is_nil(resolver.core:asked())
    assert.is_true(r.ws:kick())
    r.ws:update()
    assert.equal("feed.example", resolver:question().host)
  end)

  it("of each client gets its own answer", function()
    local resolver, clients = network.resolver(), {}
    local port = scripted.refused_port()
    for i = 1, 20 do
      local url = ("ws://feed%d.example:%d/"):format(i, port)
      clients[i] = recorder.new(url)
      resolver:attach(clients[i].ws)
      clients[i].ws:update()
      assert.equal(("feed%d.example"):format(i), resolver:question().host)
      resolver:answer("127.0.1." .. i)
      network.wait_for_threads()
    end
    for i, r in ipairs(clients) do
      local expected = ("refused by 127.0.1.%d port"):format(i)
      assert.matches(expected, r:wait_close().info.error.message, 1, true)
    end
  end)

  for answer, words in pairs {
    EAI_NONAME = "Name or service not known",
    EAI_AGAIN = "Temporary failure in name resolution",
    EAI_FAIL = "Non-recoverable failure in name resolution",
    [""] = "the answer is empty",
  } do
    it("that is answered by '" .. words .. "' ends the attempt", function()
      local r, resolver = asking "ws://feed.example/"
      r.ws:update()
      resolver:answer(answer)
      local came = r:wait_close()
      assert.equal(1006, came.code)
      assert.equal("dns", came.info.error.name)
      assert.equal("dns", came.info.error.phase)
      assert.equal("no address for feed.example: " .. words, came.info.error.message)
      assert.equal("network", came.info.by)
    end)
  end
end)

describe("the system's own lookup", function()
  after_each(network.close_all)

  for _, family in ipairs { 0, 4 } do
    it("finds localhost, family " .. family, function()
      local server = quiet_server "127.0.0.1"
      local url = ("ws://localhost:%d/"):format(server.port)
      local r = recorder.new(url, { family = family > 0 and family or nil }, server)
      local info = r:wait_open()
      assert.equal("127.0.0.1", info.address)
      assert.equal(server.port, info.port)
      network.wait_for_threads()
    end)
  end

  it("gives the addresses that it finds, and none before them", function()
    local url = ("ws://localhost:%d/"):format(scripted.refused_port())
    local fault = recorder.new(url, { family = 4 }):wait_close().info.error
    assert.matches("^could not connect to localhost: connection refused by 127%.0%.0%.1 port",
      fault.message)
    network.wait_for_threads()
  end)
end)

describe("a lookup's thread", function()
  after_each(network.close_all)

  it("leaves every signal to the program's threads", function()
    local ws, resolver = network.client(wsclose, "ws://feed.example/")
    ws:update()
    resolver:question()
    local own = lfs.symlinkattributes("/proc/self", "target")
    local masks = {}
    for name in lfs.dir "/proc/self/task" do
      if name:match "^%d" and name ~= own then
        for line in io.lines(("/proc/self/task/%s/status"):format(name)) do
          masks[#masks + 1] = line:match "^SigBlk:%s*(%x+)"
        end
      end
    end
    -- all of 1 to 31 but KILL and STOP, which nobody can block
    assert.equal(1, #masks)
    assert.equal("7ffbfeff", masks[1]:sub(-8))
    ws:close()
  end)

  it("goes on without the client that was closed, and leaves no descriptor meanwhile", function()
    local ws, resolver = network.client(wsclose, "ws://feed.example/")
    local before = network.descriptors()
    ws:update()
    resolver:question()
    local added = network.added(before, network.descriptors())
    assert.equal(1, #added)
    assert.same({ nonblocking = true, close_on_exec = true }, network.flags(added[1]))
    assert.equal(2, network.threads())
    ws:close()
    assert.is_false(ws:update())
    assert.same(before, network.descriptors())
    assert.equal(2, network.threads())
    resolver:answer "127.0.0.1"
    network.wait_for_threads()
    assert.same(before, network.descriptors())
    assert.equal(1006, ws.close_code)
  end)

  it("goes on without a client that was collected", function()
    local resolver = network.resolver()
    local before = network.descriptors()
    resolver:attach(wsclose.new "ws://feed.example/"):update()
    resolver:question()
    assert.same(before, network.descriptors()) -- which collects first
    assert.equal(2, network.threads())
  end)

  it("leaves nothing when its answer is never looked at", function()
    local ws, resolver = network.client(wsclose, "ws://feed.example/")
    local before = network.descriptors()
    ws:update()
    resolver:answer "127.0.0.1"
    network.wait_for_threads()
    ws:close()
    ws:update()
    assert.same(before, network.descriptors())
  end)

  it("leaves nothing when answer and close meet", function()
    local resolver = network.resolver()
    local before = network.descriptors()
    for _ = 1, 200 do
      local ws = resolver:attach(wsclose.new "ws://feed.example/")
      ws:update()
      resolver:question()
      resolver:answer "127.0.0.1"
      ws:close()
      ws:update()
    end
    network.wait_for_threads()
    assert.same(before, network.descriptors())
  end)

  it("makes pollfd readable when it has the answer", function()
    local ws, resolver = network.client(wsclose, "ws://feed.example/")
    local fd = ws:pollfd()
    ws:update()
    resolver:question()
    assert.is_false(network.is_readable(fd))
    resolver:answer "EAI_NONAME"
    network.wait_for_threads()
    assert.is_true(network.is_readable(fd))
    assert.is_false(ws:update())
    assert.is_false(network.is_readable(fd))
  end)
end)

-- Clients that have asked, `count` of them at hosts of their own: feed1.example and so on.
local function ask(resolver, count, options, module)
  local clients = {}
  for i = 1, count do
    local url = ("ws://feed%d.example/"):format(i)
    clients[i] = resolver:attach(assert((module or wsclose).new(url, options)))
    clients[i]:update()
  end
  return clients
end

local function ask_alike(resolver, count, url, module)
  local clients = {}
  for i = 1, count do
    clients[i] = resolver:attach(assert((module or wsclose).new(url or "ws://feed.example/")))
    clients[i]:update()
  end
  return clients
end

local function assert_asked(resolver, first, last)
  local expected, asked = {}, {}
  for i = first, last do
    expected[i - first + 1] = ("feed%d.example"):format(i)
    asked[i - first + 1] = resolver:question().host
  end
  table.sort(expected)
  table.sort(asked) -- eight threads ask in any order
  assert.same(expected, asked)
  assert.is_nil(resolver.core:asked())
end

local function close(clients, first, last)
  for i = first or 1, last or #clients do
    clients[i]:close()
    assert.is_false(clients[i]:update())
    assert.equal("closed", clients[i]:state())
  end
end

describe("a name server that hangs", function()
  before_each(function()
    testing.process.allow_files(2200)
    network.wait_for_threads() -- of other specs, which asked the system
  end)
  after_each(network.close_all)

  it("has eight threads of a process waiting, with a thousand clients", function()
    local resolver = network.resolver()
    local before = network.descriptors()
    local clients = ask(resolver, 1000)
    assert.equal(9, network.threads())
    assert.equal(1000, #network.added(before, network.descriptors()))
    assert_asked(resolver, 1, 8)
    for _, ws in ipairs(clients) do
      assert.is_true(ws:update())
      assert.equal("dns", ws:info().phase)
    end
    assert.equal(9, network.threads())
    close(clients)
    assert.same(before, network.descriptors())
    for _ = 1, 8 do
      resolver:answer "127.0.0.1"
    end
    network.wait_for_threads()
    assert.is_nil(resolver.core:asked())
  end)

  it("is asked in the order of the clients' beginnings", function()
    local resolver = network.resolver()
    local clients = ask(resolver, 12)
    assert_asked(resolver, 1, 8)
    for i = 9, 12 do
      resolver:answer "EAI_NONAME"
      assert.equal(("feed%d.example"):format(i), resolver:question().host)
    end
    close(clients)
  end)

  for ending, end_client in pairs {
    close = function(clients, i)
      close(clients, i, i)
    end,
    leave = function(clients, i)
      clients[i]:leave()
    end,
    collection = function(clients, i)
      clients[i] = false
      network.descriptors() -- which collects
    end,
  } do
    it("is not asked for a client that queued, after its " .. ending, function()
      local resolver = network.resolver()
      local clients = ask(resolver, 12)
      assert_asked(resolver, 1, 8)
      for _, i in ipairs { 10, 12, 9 } do
        end_client(clients, i)
      end
      resolver:answer "EAI_NONAME"
      assert.equal("feed11.example", resolver:question().host)
      for _ = 1, 8 do
        resolver:answer "EAI_NONAME"
      end
      network.wait_for_threads()
      assert.is_nil(resolver.core:asked())
    end)
  end

  it("costs a client that queues no more than its own time for names", function()
    local time, clock = network.new_clock()
    local resolver = network.resolver()
    ask(resolver, 8)
    time.now = 1003
    local late = ask(resolver, 9, { clock = clock })[9]
    time.now = 1007.99
    assert.is_true(late:update())
    time.now = 1008.01
    assert.is_false(late:update())
    assert.equal("dns", late.close_info.error.phase)
    assert.equal("no address for feed9.example within 5 s", late.close_info.error.message)
  end)

  it("costs the same memory however often clients ask and give up", function()
    local counted = network.counted()
    local lookups, memory = testing.net.lookups, testing.memory
    lookups.tune(0)
    local resolver = network.resolver()
    local first = ask(resolver, 20, nil, counted)
    assert_asked(resolver, 1, 8)
    close(first)
    first = nil -- luacheck: ignore
    network.collect()
    local blocks, own = lookups.live_blocks(), memory.live_blocks()
    for _ = 1, 20 do
      local clients = ask(resolver, 50, nil, counted)
      assert.equal(blocks + 50, lookups.live_blocks())
      close(clients)
      clients = nil -- luacheck: ignore
      network.collect()
      assert.equal(blocks, lookups.live_blocks())
      assert.is_true(memory.live_blocks() <= own)
      assert.equal(9, network.threads())
    end
    for _ = 1, 8 do
      resolver:answer "127.0.0.1"
    end
    network.wait_for_threads()
    assert.equal(blocks - 8, lookups.live_blocks())
  end)

  it("has one place, then the next, where the threads are fewer", function()
    local counted, resolver = network.counted(), network.resolver()
    testing.net.lookups.tune(1)
    local clients = ask(resolver, 3, nil, counted)
    testing.net.lookups.tune(0)
    assert.equal(2, network.threads())
    for i = 1, 3 do
      assert.equal(("feed%d.example"):format(i), resolver:question().host)
      assert.is_nil(resolver.core:asked())
      resolver:answer "EAI_NONAME"
    end
    network.wait_for_threads()
    close(clients)
  end)
end)

describe("one question", function()
  before_each(function()
    testing.process.allow_files(2200)
    network.wait_for_threads() -- of other specs, which asked the system
  end)
  after_each(network.close_all)

  it("of a thousand clients is asked once, and its answer wakes them all", function()
    local resolver = network.resolver()
    local url = ("ws://feed.example:%d/"):format(scripted.refused_port())
    local before = network.descriptors()
    local clients = ask_alike(resolver, 1000, url)
    assert.equal(2, network.threads())
    assert.equal(1000, #network.added(before, network.descriptors()))
    resolver:question()
    assert.is_nil(resolver.core:asked())
    resolver:answer "127.0.1.1"
    network.wait_for_threads()
    for _, ws in ipairs(clients) do
      ws:run()
      assert.matches("refused by 127.0.1.1", ws.close_info.error.message, 1, true)
    end
    assert.same(before, network.descriptors())
  end)

  it("that still queues starts no thread for those who join it", function()
    local counted, resolver = network.counted(), network.resolver()
    testing.net.lookups.tune(1)
    local clients = ask(resolver, 2, nil, counted) -- the one thread waits for the first
    testing.net.lookups.tune(0)
    for _, ws in ipairs(ask_alike(resolver, 5, "ws://feed2.example/", counted)) do
      clients[#clients + 1] = ws
    end
    assert.equal(2, network.threads())
    for i = 1, 2 do
      assert.equal(("feed%d.example"):format(i), resolver:question().host)
      assert.is_nil(resolver.core:asked())
      resolver:answer "EAI_NONAME"
    end
    network.wait_for_threads()
    for _, ws in ipairs(clients) do assert.is_false(ws:update()) end
  end)

  it("makes the pollfd of each that asked readable, whoever has left", function()
    for gone = 1, 3 do
      local resolver, clients, fds = network.resolver(), {}, {}
      for i = 1, 3 do
        clients[i] = resolver:attach(wsclose.new "ws://feed.example/")
        fds[i] = clients[i]:pollfd()
        clients[i]:update()
      end
      close(clients, gone, gone)
      clients[4] = ask_alike(resolver, 1)[1] -- joins the others
      resolver:question()
      assert.is_nil(resolver.core:asked())
      resolver:answer "EAI_FAIL"
      network.wait_for_threads()
      for i = 1, 3 do
        assert.equal(i ~= gone, network.is_readable(fds[i]))
      end
      for i = 1, 4 do
        assert.is_false(clients[i]:update())
        local fault = clients[i].close_info.error
        assert.equal(i ~= gone and "dns" or nil, fault and fault.name)
      end
    end
  end)

  it("wakes all the clients of one wait", function()
    local resolver = network.resolver()
    local clients = ask_alike(resolver, 3)
    wsclose.update(0, clients)
    resolver:question()
    resolver:answer "EAI_FAIL"
    wsclose.run(clients)
    for _, ws in ipairs(clients) do
      assert.equal("dns", ws.close_info.error.name)
    end
  end)

  it("is asked anew once it was answered", function()
    local resolver = network.resolver()
    ask_alike(resolver, 1)
    resolver:question()
    resolver:answer "EAI_FAIL"
    network.wait_for_threads() -- the first client has not looked yet
    ask_alike(resolver, 1)
    resolver:question()
  end)

  it("that nobody waits for any more has no part in a new one", function()
    local resolver = network.resolver()
    local gone = ask_alike(resolver, 2)
    resolver:question()
    close(gone)
    local ws = ask_alike(resolver, 1)[1]
    resolver:question()
    resolver:answer "EAI_FAIL"
    resolver:answer "EAI_FAIL"
    network.wait_for_threads()
    assert.is_false(ws:update())
  end)

  it("differs by host, port, family and resolver", function()
    local function texts(resolver, count)
      local found = {}
      for i = 1, count do
        local question = resolver:question()
        found[i] = ("%s %d %d"):format(question.host, question.port, question.family)
      end
      table.sort(found)
      return found
    end
    local resolver, other = network.resolver(), network.resolver()
    local clients = {}
    for i, case in ipairs {
      { "ws://feed.example:81/", 4 }, { "ws://feed.example:82/", 4 },
      { "ws://feed.example:81/", 6 }, { "ws://tick.example:81/", 4 },
      { "ws://FEED.example:81/path", 4 },
    } do
      clients[i] = resolver:attach(wsclose.new(case[1], { family = case[2] }))
      clients[i]:update()
    end
    other:attach(wsclose.new("ws://feed.example:81/", { family = 4 })):update()
    assert.same({ "feed.example 81 4", "feed.example 81 6", "feed.example 82 4",
      "tick.example 81 4" }, texts(resolver, 4))
    assert.is_nil(resolver.core:asked())
    assert.same({ "feed.example 81 4" }, texts(other, 1))
  end)
end)

describe("without memory to share, a lookup", function()
  local counted = network.counted()
  local lookups = testing.net.lookups
  lookups.tune(0)
  after_each(function()
    lookups.fail_at(0)
    network.close_all()
  end)

  local function outcome(resolver, n)
    lookups.fail_at(n)
    local ws = ask_alike(resolver, 1, "ws://feed.example:1/", counted)[1]
    if ws:state() ~= "closed" then
      resolver:question()
      resolver:answer "127.0.0.1"
      network.wait_for_threads()
      lookups.fail_at(0)
      ws:run()
    end
    local fault = ws.close_info.error
    return fault.name .. ": " .. fault.message
  end

  it("takes what another thread has made meanwhile", function()
    local resolver = network.resolver()
    local found = testing.process.fork(function() -- where nothing is made yet
      local blocks = lookups.live_blocks()
      lookups.rival()
      local said = outcome(resolver, 0):gsub("refused: .*", "refused")
      network.wait_for_threads()
      return said .. ", " .. lookups.live_blocks() - blocks
    end)
    assert.equal("refused, 2", found) -- one queue and its mutex
  end)

  it("ends with a sentence, and the next one does not", function()
    local resolver = network.resolver()
    local found = testing.process.fork(function() -- whose threads are to begin anew
      local blocks, said = lookups.live_blocks(), {}
      for i, n in ipairs { 1, 2, 3, 1, 2, 3 } do -- the queue and its mutex: once, by the third
        said[i] = outcome(resolver, n):gsub("refused: .*", "refused")
      end
      said[7] = lookups.live_blocks() - blocks
      return table.concat(said, "\n")
    end)
    assert.equal(table.concat({
      "memory: no memory to look up feed.example",
      "memory: no memory to look up feed.example",
      "memory: no memory to look up feed.example",
      "memory: no memory to look up feed.example",
      "dns: no address for feed.example: no memory for them",
      "refused",
      "2",
    }, "\n"), found)
  end)
end)

-- What the kernel may refuse, refused by strace.
describe("where the system gives no", function()
  local script = [[
    local network = require "support.network"
    local wsclose = require "wsclose"
    local ws = wsclose.new "ws://localhost:1/"
    local before = network.descriptors()
    local _, _, info = ws:run()
    print(info.error.name, info.error.phase, info.error.message)
    assert(#network.added(before, network.descriptors()) == 0)
  ]]

  for what, case in pairs {
    descriptor = {
      "eventfd2:error=EMFILE",
      "dns\tdns\tcannot look up localhost: no descriptor (Too many open files)\n",
    },
    thread = {
      "clone3,clone:error=EAGAIN",
      "dns\tdns\tcannot look up localhost: no thread (Resource temporarily unavailable)\n",
    },
  } do
    it(what .. " for a lookup, the attempt ends with a sentence that says so", function()
      local result = network.trace(script, "-e inject=" .. case[1])
      assert.equal(case[2], result.output)
    end)
  end

  it("thread with a small stack, one with the default's is taken", function()
    local result = network.trace(script, "-e inject=clone3,clone:error=EINVAL:when=1")
    assert.matches("refused\ttcp", result.output, 1, true)
  end)

  it("second thread, the first serves all that ask", function()
    local result = network.trace([[
      local network = require "support.network"
      local wsclose = require "wsclose"
      local resolver, clients = network.resolver(), {}
      for i = 1, 3 do
        clients[i] = resolver:attach(wsclose.new(("ws://feed%d.example/"):format(i)))
        assert(clients[i]:update())
      end
      assert(network.threads() == 2)
      for i = 1, 3 do
        print(resolver:question().host, resolver.core:asked() == nil)
        resolver:answer "EAI_NONAME"
        network.wait(function() return not clients[i]:update() end, "the end")
        print(clients[i].close_info.error.message)
      end
      network.close_all()
    ]], "-e inject=clone3,clone:error=EAGAIN:when=2+")
    local expected = {}
    for i = 1, 3 do
      expected[i] = ("feed%d.example\ttrue\nno address for feed%d.example: %s\n"):format(
        i, i, "Name or service not known")
    end
    assert.equal(table.concat(expected), result.output)
  end)

  it("descriptor for one that joins a lookup, the others go on", function()
    local result = network.trace([[
      local network = require "support.network"
      local wsclose = require "wsclose"
      local resolver = network.resolver()
      local first = resolver:attach(wsclose.new "ws://feed.example/")
      local second = resolver:attach(wsclose.new "ws://feed.example/")
      assert(first:update())
      assert(not second:update())
      print(second.close_info.error.message)
      resolver:question()
      resolver:answer "EAI_NONAME"
      first:run()
      print(first.close_info.error.message)
      network.close_all()
    ]], "-e inject=fcntl:error=EMFILE")
    assert.equal("cannot look up feed.example: no descriptor (Too many open files)\n"
      .. "no address for feed.example: Name or service not known\n", result.output)
  end)
end)
