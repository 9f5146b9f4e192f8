-- Names are looked up on a helper thread: the program never waits for it, and nothing stays behind.
local lfs = require "lfs"
local network = require "support.network"
local recorder = require "support.recorder"
local scripted = require "support.scripted_server"
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
end)
