-- 1010 against servers that wsclose did not write and that do not give what is required.

local peers = require "support.peers"
local process = require "support.process"
local recorder = require "support.recorder"

local DEFLATE = "permessage-deflate"

local cases = {
  {
    title = "permessage-deflate where the server has no extension",
    offer = { required = true },
    query = "/",
    reason = "permessage-deflate",
  },
  {
    title = "a parameter where the server does not give it",
    offer = { require = { "server_no_context_takeover" } },
    query = "/?deflate",
    reason = "permessage-deflate; server_no_context_takeover",
  },
  {
    title = "a parameter where the server has no extension",
    offer = { require = { "server_no_context_takeover" } },
    query = "/",
    reason = "permessage-deflate; server_no_context_takeover",
  },
}

local function refused(port, case, options)
  options = options or {}
  options.extensions = { [DEFLATE] = case.offer }
  options.retry = true
  local r = recorder.new(("ws://127.0.0.1:%d%s"):format(port, case.query), options)
  return r, r:wait_close()
end

local function assert_refused(r, came, reason)
  assert.equal(0, #r.opens)
  assert.equal(1010, came.code)
  assert.equal(reason, came.reason)
  assert.equal("MANDATORY_EXTENSION", came.info.name)
  assert.same({ code = 1010, reason = reason }, came.info.sent)
  assert.equal("client", came.info.by)
  assert.is_false(came.info.opened)
  assert.is_nil(came.info.retry_in)
  assert.matches("permessage-deflate", came.info.retry_refused, 1, true)
  assert.equal("closed", r.ws:state())
  assert.is_false((r.ws:update(0)))
  assert.equal(1, #r.closes)
  assert.equal(0, #r.retries)
end

for _, key in ipairs { "websockets", "ws", "lws", "autobahn" } do
  describe("1010 to " .. peers.all[key].name, function()
    local peer

    lazy_setup(function()
      peer = peers.start(key)
    end)

    lazy_teardown(process.stop_all)

    for _, case in ipairs(cases) do
      it("is sent when the client requires " .. case.title, function()
        local r, came = refused(peer.port, case)
        assert_refused(r, came, case.reason)
        assert.equal("- CLOSED 1010 " .. case.reason, peer:expect "^- CLOSED.*$")
      end)
    end

    it("is not sent when the server gives what the client requires", function()
      local url = "ws://127.0.0.1:" .. peer.port .. "/?deflate"
      local given = { required = true, server_no_context_takeover = true }
      given.require = { "server_no_context_takeover" }
      local r = recorder.new(url, { extensions = { [DEFLATE] = given } })
      assert.is_true(r:wait_open().extensions[DEFLATE].params.server_no_context_takeover)
      r.ws:close()
      assert.equal(1000, r:wait_close().code)
    end)
  end)
end

describe("1010 to libwebsockets' own test server", function()
  after_each(process.stop_all)

  it("is sent when the client requires permessage-deflate", function()
    local peer = peers.start "lws_test_server"
    local options = { protocols = { "lws-mirror-protocol" } }
    local r, came = refused(peer.port, cases[1], options)
    assert_refused(r, came, "permessage-deflate")
  end)
end)
