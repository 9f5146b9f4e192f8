-- What people get wrong on their first day, and the sentence that puts them right.  What each needs
-- of a server is played here; the sentences are all there is to it.

local certificates = require "support.certificates"
local process = require "support.process"
local scripted = require "support.scripted_server"
local way = require "support.way"
local wsclose = require "wsclose"

local URL = "ws://127.0.0.1:1/"

local function fault_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

local function client(options)
  return assert(wsclose.new(URL, options))
end

describe("an option by another name", function()
  for _, case in ipairs {
    -- what other clients call it, and what it is called here
    { "ssl", "tls" },
    { "ssl_options", "tls" },
    { "verify", "tls.verify" },
    { "rejectUnauthorized", "tls.verify" },
    { "ca", "tls.ca_file" },
    { "cert", "tls.cert" },
    { "sni", "tls.server_name" },
    { "ping_interval", "keepalive" },
    { "heartbeat", "keepalive" },
    { "pong_timeout", "keepalive.timeout" },
    { "reconnect", "retry" },
    { "autoReconnect", "retry" },
    { "max_retries", "retry" },
    { "timeout", "timeouts" },
    { "open_timeout", "timeouts.connect" },
    { "maxPayload", "limits.message" },
    { "compression", "extensions" },
    { "perMessageDeflate", "extensions" },
    { "header", "headers" },
    { "extra_headers", "headers" },
    { "origin", "headers" },
    { "user_agent", "headers" },
    { "cookies", "headers" },
    { "protocol", "protocols" },
    { "subprotocols", "protocols" },
    { "followRedirects", "redirects" },
    { "on_error", "on_close" },
    { "ondisconnect", "on_close" },
    { "onmessage", "on_message" },
    { "onopen", "on_open" },
    { "on_connect", "on_open" },
    { "on_data", "on_message" },
  } do
    it(case[1] .. " is " .. case[2], function()
      assert.equal(("unknown option '%s'; did you mean '%s'?"):format(case[1], case[2]),
        fault_of(wsclose.new, URL, { [case[1]] = true }))
    end)
  end

  for _, case in ipairs {
    { "tls", "rejectUnauthorized", "tls.verify" },
    { "tls", "ca_cert", "tls.ca_file" },
    { "timeouts", "open_timeout", "timeouts.connect" },
    { "limits", "max_size", "limits.message" },
    { "keepalive", "ping_timeout", "keepalive.timeout" },
  } do
    it(("%s within %s is %s"):format(case[2], case[1], case[3]), function()
      local message = fault_of(wsclose.new, URL, { [case[1]] = { [case[2]] = 1 } })
      assert.equal(("unknown option '%s.%s'; did you mean '%s'?"):format(case[1], case[2], case[3]),
        message)
    end)
  end

  it("is not guessed at where no name is near", function()
    assert.equal("unknown option 'banana'", fault_of(wsclose.new, URL, { banana = 1 }))
    assert.equal("unknown option 'zz'", fault_of(wsclose.new, URL, { zz = 1 }))
  end)

  it("is answered with all there are where they are few", function()
    assert.equal("unknown option 'keepalive.banana'; expected 'keepalive.interval' or "
      .. "'keepalive.timeout'", fault_of(wsclose.new, URL, { keepalive = { banana = 1 } }))
  end)
end)

describe("a URL", function()
  local SAID = 'the URL "%s" does not begin with ws:// or wss:// (nor ws+unix://, wss+unix://)'
  for _, case in ipairs {
    { "http://feed.example/v1", "ws://feed.example/v1" },
    { "https://feed.example:8443/v1", "wss://feed.example:8443/v1" },
    { "HTTPS://feed.example", "wss://feed.example" },
    { "feed.example/v1", "ws://feed.example/v1" },
    { "localhost:9001", "ws://localhost:9001" },
    { "//feed.example/", "ws://feed.example/" },
    { "wss:/feed.example/", "wss://feed.example/" },
    { "ws:feed.example", "ws://feed.example" },
  } do
    it(case[1] .. " is quoted, and shown as it should be", function()
      local ws, sentence, name = wsclose.new(case[1])
      assert.is_nil(ws)
      assert.equal(SAID:format(case[1]) .. ('; did you mean "%s"?'):format(case[2]), sentence)
      assert.equal("url", name)
    end)
  end

  it("that leads nowhere either way is only quoted", function()
    assert.equal(SAID:format "http://", select(2, wsclose.new "http://"))
  end)

  it("keeps its password and the values of its query to itself", function()
    for _, url in ipairs {
      "https://me:secret@feed.example/?token=secret", "wss:/me:secret@feed.example/?token=secret",
      "me:secret@feed.example/?token=secret",
    } do
      local _, sentence = wsclose.new(url)
      assert.matches('did you mean "wss?://feed.example/%?token=..."?', sentence)
      assert.is_nil(sentence:find("secret", 1, true))
    end
  end)

  it("that is set later is at fault in the phase url", function()
    local ws = client()
    ws.url = "http://feed.example/"
    local code, _, info = ws:run()
    assert.same({ 1006, "url", "url" }, { code, info.error.name, info.error.phase })
    assert.matches('did you mean "ws://feed.example/"?', info.error.message, 1, true)
    ws.url = 5
    ws:reconnect()
    assert.equal("the client: expected a string as url, got number", fault_of(ws.run, ws))
  end)
end)

describe("a callback that is assigned", function()
  for _, case in ipairs {
    { "on_mesage", print, "there is no such callback; did you mean 'on_message'?" },
    { "on_error", print, "there is no such callback; did you mean 'on_close'?" },
    { "on_anything", print, "there is no such callback" },
    { "onmessage", print, "there is no such callback; did you mean 'on_message'?" },
    { "onOpen", print, "there is no such callback; did you mean 'on_open'?" },
    { "on_mesage", true, "there is no such callback; did you mean 'on_message'?" },
    { "on_message", "print", "expected a function, got string" },
    { "on_close", 5, "expected a function, got 5" },
    { "before_connect", {}, "expected a function, got table" },
  } do
    it(("as %s, a %s, raises there: %s"):format(case[1], type(case[2]), case[3]), function()
      local ws = client()
      local message = fault_of(function() ws[case[1]] = case[2] end)
      assert.matches("beginners_spec.lua:%d+: ", message)
      assert.equal(("ws.%s: %s"):format(case[1], case[3]), (message:gsub("^.-:%d+: ", "")))
      assert.is_nil(rawget(ws, case[1]))
    end)
  end

  for _, name in ipairs { "on_message", "on_ping", "on_close" } do
    it(("as %s over one that is there raises where that would be called"):format(name), function()
      local world = require "wsclose.testing"
      world.server("ws://callbacks.example/", function(s)
        s:accept()
        s:ping "p"
        s:send "a"
        s:close(1000)
      end)
      local ws = wsclose.new("ws://callbacks.example/", { [name] = print })
      ws[name] = 5
      local message = fault_of(function() ws:run(1) end)
      world.reset()
      assert.matches("number", message)
      assert.matches(name, message, 1, true)
    end)
  end

  it("may be anything callable, and go again; other fields are the program's", function()
    local ws = client()
    ws.on_message = setmetatable({}, { __call = function() end })
    ws.on_message = nil
    ws.online, ws.once, ws.room, ws.on = true, 1, "lobby", print
    assert.same({ true, 1, "lobby" }, { ws.online, ws.once, ws.room })
  end)
end)

describe("a method called without its colon", function()
  local HINT = " (call its methods with a colon)"
  for _, name in ipairs {
    "receive", "run", "close", "update", "send", "ping", "messages", "wait_open", "send_fragments",
    "reconnect", "kick", "leave", "pause", "resume", "state", "info", "stats", "buffered", "pollfd",
    "timeout", "after", "every",
  } do
    it(("ws.%s() names it, at the line of the call"):format(name), function()
      local ws = client()
      local message = fault_of(function() ws[name]() end)
      assert.matches("beginners_spec.lua:%d+: expected a wsclose object, got no value", message)
      assert.equal(HINT, message:sub(-#HINT))
    end)
  end

  for _, name in ipairs { "run", "update", "close", "ping", "reconnect", "after", "every" } do
    it(("ws.%s(5) too"):format(name), function()
      local message = fault_of(client()[name], 5)
      assert.matches("expected a wsclose object, got number", message)
    end)
  end
end)

describe("an argument", function()
  for _, case in ipairs {
    { "of send: compres", function(ws) ws:send("x", "text", { compres = false }) end,
      "send takes {compress=true} or {compress=false}, got compres" },
    { "of send: compress = 1", function(ws) ws:send("x", "text", { compress = 1 }) end,
      "send takes {compress=true} or {compress=false}, got number" },
    { "of send: a list", function(ws) ws:send("x", "text", { false }) end,
      "send takes {compress=true} or {compress=false}, got number" },
    { "of update that is no number", function(ws) ws:update(0 / 0) end,
      "expected seconds, got NaN" },
    { "of receive that is no number", function(ws) ws:receive(0 / 0) end,
      "expected seconds, got NaN" },
    { "of run that is no number", function(ws) ws:run(0 / 0) end, "expected seconds, got NaN" },
    { "of a group that is no number", function(ws) wsclose.group(ws):update(0 / 0) end,
      "expected seconds, got NaN" },
    { "of timeouts that is no number",
      function() wsclose.new(URL, { timeouts = { dns = 0 / 0 } }) end,
      "option 'timeouts.dns': expected seconds >= 0, got NaN" },
    { "to wsclose.run that is missing", function() wsclose.run() end,
      "expected clients to run, got none" },
  } do
    it(case[1], function()
      local ws = client()
      local message = fault_of(function() case[2](ws) end)
      assert.equal(case[3], (message:gsub("^.-:%d+: ", "")))
    end)
  end

  it("to send that is right is none", function()
    local ws = client()
    for _, compress in ipairs { true, false } do
      assert.same({ nil, "the connection is not open yet", "state" },
        { ws:send("x", "text", { compress = compress }) })
    end
    assert.equal("state", select(3, ws:send("x", "text", {})))
  end)
end)

describe("an adapter outside its host", function()
  for _, case in ipairs {
    { "copas", "copas", "wsclose.copas is for programs on copas: there is no module copas here; "
      .. 'without it take require "wsclose"' },
    { "luv", "luv", "wsclose.luv is for libuv's loop: there is no module luv here; "
      .. 'without it take require "wsclose"' },
    { "cqueues", "cqueues", "wsclose.cqueues is for programs on cqueues: there is no module "
      .. 'cqueues here; without it take require "wsclose"' },
    { "openresty", "ngx.semaphore", "wsclose.openresty is for nginx with ngx_lua (OpenResty), "
      .. 'which this is not; elsewhere take require "wsclose"' },
  } do
    it("says where it belongs: " .. case[1], function()
      local path, cpath, loaded = package.path, package.cpath, package.loaded[case[2]]
      finally(function()
        package.path, package.cpath, package.loaded[case[2]] = path, cpath, loaded
      end)
      package.path = "./lua/?.lua"
      package.cpath, package.loaded[case[2]], package.loaded["wsclose." .. case[1]] = "", nil, nil
      local message = fault_of(require, "wsclose." .. case[1])
      assert.equal(case[3], message)
    end)
  end
end)

describe("what the program raises", function()
  after_each(scripted.close_all)

  it("in before_connect comes out of update, and the attempt has failed", function()
    local told = {}
    local ws = client {
      before_connect = function() error("no token", 0) end,
      on_close = function(_, code, _, info)
        told = { code, info.error.name, info.error.message }
      end,
    }
    assert.equal("no token", fault_of(ws.update, ws))
    assert.is_false((ws:update()))
    assert.same({ 1006, "state", "preparing the attempt raised an error" }, told)
  end)

  it("in decide comes out of update, and the attempt is retried as usual", function()
    local ws = client {
      retry = { decide = function() error("no opinion", 0) end, random = function() return 0 end },
    }
    local message
    for _ = 1, 1000 do
      local ok, why = pcall(ws.update, ws, 0.01)
      if not ok then message = why break end
    end
    assert.equal("no opinion", message)
    assert.equal("waiting", ws:state())
    assert.is_true(ws.close_info.retry_in > 0)
    ws:close()
  end)
end)

describe("a scheme at the wrong port", function()
  after_each(scripted.close_all)

  local ALERT = "\21\3\1\0\2\2\70"
  local BODY = "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"

  for _, case in ipairs {
    { "ws", "an alert", function(c)
        c:read_request()
        c:send(ALERT)
        c:finish()
      end, "this port speaks TLS, so the URL begins with wss://" },
    { "ws", "nginx's page", function(c)
        c:read_request()
        c:send("HTTP/1.1 400 Bad Request\r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY)
      end, "the server answered 400 Bad Request: this port speaks TLS, so the URL begins with "
        .. "wss://" },
    { "ws", "nothing", function(c)
        c:read_request()
        c:finish()
      end, "the server ended the connection during the handshake; if this port speaks TLS the URL "
        .. "begins with wss://" },
    { "wss", "plain HTTP instead of a hello over TLS", function(c)
        c:send "HTTP/1.1 400 Bad Request\r\n\r\n"
      end, "the peer does not speak TLS, which ws:// does not need (it answered "
        .. '"HTTP/1.1 400 Bad Request")' },
  } do
    it(("is told, %s:// and %s comes back"):format(case[1], case[2]), function()
      local server = scripted.new(case[3])
      local ws = assert(wsclose.new(("%s://127.0.0.1:%d/"):format(case[1], server.port),
        { tls = { verify = false } }))
      scripted.pump(ws, server, function() return ws:state() == "closed" end)
      assert.equal(case[4], ws.close_info.error.message)
    end)
  end
end)

describe("what the program names in tls, over TLS", function()
  local made = certificates.shared()

  local function message_of(tls)
    local ws = assert(wsclose.new("wss://127.0.0.1:1/", { tls = tls }))
    local _, _, info = ws:run(5)
    return info.error.message
  end

  teardown(process.stop_all)

  it("is what a certificate that signed itself is answered with", function()
    local port = way.nginx(made.folder, 1, { own = made.self_signed }).ports.own
    local ws = assert(wsclose.new(("wss://127.0.0.1:%d/"):format(port), { proxy = false }))
    local code, _, info = ws:run(10)
    assert.same({ 1015, "self-signed certificate (CN=feed.example); to trust it: "
      .. "tls = { ca_file = … }" }, { code, info.error.message })
  end)

  it("is called by its option where the file is missing", function()
    local none = made.folder .. "/none.pem"
    for _, name in ipairs { "ca_file", "ca_path", "cert" } do
      assert.equal(("tls.%s: %s: No such file or directory"):format(name, none),
        message_of { [name] = none })
    end
    assert.equal(("tls.key: %s: No such file or directory"):format(none),
      message_of { cert = made.good.cert, key = none })
  end)
end)
