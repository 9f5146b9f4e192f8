-- wsclose.openresty in Debian's nginx with ngx_lua: a master, a worker, real reloads.

local hosts = require "support.hosts"
local nginx = require "support.nginx"
local process = require "support.process"
local sources = require "support.sources"
local wsclose = require "wsclose"

describe("wsclose.openresty in nginx", function()
  local server

  local function start(begin)
    server = nginx.start(begin)
    return server.host
  end

  after_each(function()
    if server then server:stop() end
    server = nil
  end)

  teardown(hosts.stop)

  it("in timers " .. hosts.promise, function()
    local host = start "spec/support/hosts/openresty_timer.lua"
    host:play()
    server:signal "quit"
    host:went_away()
    host.program:expect "^LAST connection to .* closed by this client: 1001 GOING_AWAY"
  end)

  it("sends in two light threads and receives in a third at once", function()
    local host = start()
    assert.equal("200 messages came back, in order\nclosed: 1000 done\n",
      server:body "/run?case=duplex")
    host.server:expect "^duplex CLOSED 1000 done"
  end)

  it("logs to nginx's error log, or to a function", function()
    local host = start()
    assert.equal("debug info info\n", server:body "/run?case=log")
    for _ = 1, 2 do
      host.program:expect "%[error%].*wsclose: connection to ws://127%.0%.0%.1:1/ failed: 1006"
    end
  end)

  for _, case in ipairs {
    { "sends and receives", "light", "ok" },
    { "refuses a second light thread in receive", "busy",
      "busy: another light thread is in receive or run" },
    { "gives up a receive in time, and gets the message with the next", "timeout",
      "timeout then late" },
    { "does not trust a server for another name, unless verify is false", "name",
      "tls 1015 twice, then unseen 1000" },
    { "tells a refused connection", "refused", "refused 1006 tcp" },
    { "tells a name that is not known", "dns", "dns 1006 dns" },
    { "gives up a server that does not answer the handshake", "handshake",
      "timeout 1006 handshake" },
    { "sends what another request's light thread queues", "other", "from a timer, then 1000 done" },
    { "tells an HTTP answer that is no WebSocket's", "http", "http 1006 200" },
    { "raises for options that it cannot honour", "options",
      "option 'tls.ca_file': nginx decides it, by the directive lua_ssl_trusted_certificate" },
    { "calls timers, whichever light thread set them", "timers", "own other 3 1000 closed" },
    { "keeps what is sent in its outbox, over a reconnection", "outbox",
      "before meanwhile, 2 attempts" },
    { "follows redirects", "redirect", "there target?id=..." },
    { "sends a message in fragments", "fragments", "in pieces" },
    { "gives a message in pieces", "pieces",
      "30000 bytes in 30 or more pieces, then closed 1000" },
    { "makes the next attempt when it is kicked", "kick", "2 attempts" },
    { "holds messages back while paused", "pause", "timeout then held" },
    { "gives way to nobody in an update that may not wait", "at_once",
      "false true false true" },
    { "drops the connection of an attempt that was given up while it was dialled", "dial",
      "by the second of 2" },
    { "leaves while another light thread runs it", "leave", "1001 closed" },
    { "goes on where a light thread that ran it was killed", "killed", "1006 closed" },
    { "leaves at once, and says what has not left", "stuck", "running 1006 nil" },
    { "keeps to its budget", "budget", "1 at a time, 3 in all" },
    { "tells that what was sent has left", "drain", "1000, then 0 to send" },
    { "sends from callbacks while both directions are full", "crossed",
      "1000, after 200 messages" },
    { "shows its certificate", "certificate",
      "NONE nil; SUCCESS CN=a client; 1015 tls.key" },
    { "takes a session up again with its server, unless there is to be no cache", "session",
      ". r . ." },
    { "compares pins", "pin", "NONE nil; tls 1015 pin mismatch" },
    { "has no groups, and says what to use", "many", "false wsclose.group: in nginx each client "
      .. "has a light thread of its own: ngx.thread.spawn(ws.run, ws)" },
    { "raises for waits of wsclose itself, whose update works", "plain",
      "11 of 11 raise; plainly 1000" },
    { "stops waiting for the next attempt when another light thread closes", "stop",
      "closed after 1 attempt" },
  } do
    it(case[1] .. " in the content phase", function()
      start()
      assert.equal(case[3] .. "\n", server:body("/run?case=" .. case[2]))
    end)
  end

  it("takes each option that the API has, or says what to use", function()
    start()
    local refused, taken = {}, 0
    local page = sources.read "docs/api.md"
    local section = page:match "\n## Options\n(.-\n)\n## "
    for group, rows in section:gmatch "\n| `?(%l+)`? | default | |\n| %-%-%- [^\n]*\n(.-\n)\n" do
      local prefix = group == "option" and "" or group .. "."
      for name in rows:gsub("(|[^|\n]+)[^\n]*\n", "%1"):gmatch "`([%l_]+)`" do
        local answer = server:body("/run?case=option&name=" .. prefix .. name):gsub("\n$", "")
        if answer == "taken" then taken = taken + 1 else refused[prefix .. name] = answer end
      end
    end
    local names = {}
    for name, why in pairs(refused) do
      names[#names + 1] = name
      assert.equal(("option '%s': "):format(name), why:sub(1, #name + 11))
      assert.is_nil(why:find("none of a stream socket", 1, true))
    end
    table.sort(names)
    assert.same({ "bind", "family", "role", "socket", "timeouts.dns", "tls.alpn", "tls.ca",
      "tls.ca_file", "tls.ca_path", "tls.ciphers", "tls.groups", "tls.keylog_file",
      "tls.min_version", "tls.password" }, names)
    assert.is_true(taken > 30, taken)
  end)

  it("works in the access phase", function()
    local host = start()
    assert.equal("admitted\n", server:body "/access?case=light")
    host.server:expect "^light CLOSED 1000 done"
  end)

  it("keeps one feed alive over reloads: the old worker says 1001, the new one connects", function()
    local host = start "examples/openresty/feed.lua"
    host.server:expect "^feed OPEN"
    server:signal "reload"
    local first = host.server:expect "^feed (%u+)"
    local second = host.server:expect "^feed (%u+)"
    local seen = { [first] = true, [second] = true }
    assert.same({ OPEN = true, CLOSED = true }, seen)
    local told = table.concat(host.server.lines, "\n")
    assert.truthy(told:find("feed CLOSED 1001 the worker exits", 1, true))
  end)

  it("bridges to Server-Sent Events, over a 1001 of the server, until the reader leaves", function()
    local host = start()
    local peer = server:request("/events?say=one", "1.1")
    local function expect(pattern)
      repeat
        local line = assert(peer:receive "*l")
      until line:find(pattern)
    end
    expect "^data: one$"
    host.server:tell "restart back soon"
    expect "^event: close$"
    expect "^data: .*1001 GOING_AWAY"
    expect "^data: one$"
    peer:close()
    host.server:expect "^bridge CLOSED 1001 the reader left"
  end)

  it("is cut off without a word when its reader leaves and nobody asked to be told", function()
    local host = start()
    local peer = server:request "/run?case=held"
    host.server:expect "^held OPEN"
    peer:close()
    host.server:expect "^held CLOSED 1006"
  end)

  describe("bridges browsers to a server behind it", function()
    local function browser(options)
      return assert(wsclose.connect("ws+unix://" .. server.folder .. "/http.sock:/bridge", options))
    end

    it("over five restarts of that server, each of 10,000 messages each way once", function()
      local count = 10000
      local ledger = process.start {
        "/usr/bin/python3", "spec/support/peers/ledger_server.py", count, 5,
      }
      server = nginx.start(nil, { WSCLOSE_FEED = ("ws://127.0.0.1:%d/"):format(ledger.port) })
      local sent, down = 0, 0
      local ws = browser()
      repeat
        while sent < math.min(count, down + 500) do
          sent = sent + 1
          assert(ws:send(("up %d"):format(sent)))
        end
        local data = assert(ws:receive(process.patience))
        assert.equal(("down %d"):format(down + 1), data)
        down = down + 1
      until down == count
      assert.same({ count, 1, "open" }, { sent, ws:stats().attempts, ws:state() })
      ws:close()
      ws:run()
      local told = "^LEDGER 10000 10000 6 1001 1001 1001 1001 1001 1001$"
      assert.is_truthy(ledger:expect(told)) -- the sixth is ours: the browser left
      ledger:stop()
    end)

    it("and tells each side when the other closes for good, or vanishes", function()
      local host = start()
      local function open()
        local ws = browser { on_message = function() end }
        ws:send "hello"
        host.server:expect "^bridge OPEN"
        return ws
      end
      local ws = open()
      host.server:tell "close 1008 enough"
      local code, reason = ws:run(process.patience)
      assert.same({ 1008, "enough" }, { code, reason })
      ws = open()
      ws:close(1000, "bye")
      host.server:expect "^bridge CLOSED 1001 the browser left"
      assert.equal(1000, (ws:run(process.patience)))
      ws = open()
      ws._handle:free() -- the end of TCP, without a word
      host.server:expect "^bridge CLOSED 1001 the browser left"
    end)
  end)
end)
