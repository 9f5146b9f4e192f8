-- The public face of a connection, wsclose.h, as a program in C has it: what no Lua side does.

local handshake = require "support.scripted.handshake"
local testing = require "wsclose.core_testing"
local wire = require "support.wire"

local function open()
  local conn = testing.conn.new "ws://feed.example/"
  local request = conn:output()
  conn:output_done(#request)
  conn:input(handshake.answer((handshake.read(request))))
  assert.equal("open", conn:next())
  return conn
end

describe("a connection in C", function()
  it("has one deadline at a time, by wsc_conn_tick, and none at its end", function()
    local conn = testing.conn.new "ws://feed.example/"
    assert.equal(5e6 + 7, conn:tick(7))
    assert.equal(5e6 + 7, conn:tick(5e6 + 6))
    assert.equal("none", conn:next())
    assert.is_false(conn:tick(5e6 + 7))
    local event, code, name = conn:next()
    assert.same({ "close", 1006, "timeout" }, { event, code, name })
    assert.is_false(conn:tick(9e6))
  end)

  it("keeps what was written none of, and gives it again", function()
    local conn = testing.conn.new "ws://feed.example/"
    local request = conn:output()
    conn:output_done(0)
    assert.equal(request, conn:output())
    conn:output_done(1)
    assert.equal(request:sub(2), conn:output())
  end)

  it("refuses a close reason that is no UTF-8, and stays open", function()
    local conn = open()
    assert.equal("utf8", conn:close(1000, "\255"))
    assert.equal("", conn:output())
    assert.equal("ok", conn:close(1000, "bye"))
    assert.is_true(#conn:output() > 0)
  end)

  it("wants bytes until an event waits, and none after the end of the transport", function()
    local conn = open()
    assert.is_true(conn:wants_input())
    assert.is_true(conn:input(wire.frame { payload = "m" }))
    assert.is_false(conn:wants_input())
    conn:next()
    assert.is_true(conn:wants_input())
    conn:eof()
    assert.is_false(conn:wants_input())
    assert.is_false(conn:input "x")
    assert.equal("close", (conn:next()))
    assert.is_false(conn:wants_input())
    assert.is_false(conn:input "x")
  end)

  it("gives no message away that is shorter than WSC_TAKE_MIN, or lies among too much", function()
    local conn = open()
    for _, size in ipairs { 0, 1, 16383 } do
      conn:input(wire.frame { payload = ("m"):rep(size) })
      assert.same({ "message", false }, { conn:next() })
    end
    conn:input(wire.frame { payload = ("m"):rep(16384) })
    assert.same({ "message", false }, { conn:next() })
    conn:input(wire.frame { payload = ("m"):rep(60000) })
    assert.same({ "message", true }, { conn:next() })
  end)

  it("lends room for what is left of a large message, all of it and no more", function()
    local conn, frame = open(), wire.frame { payload = ("m"):rep(2 ^ 20) }
    assert.is_true(conn:input(frame:sub(1, 100)))
    assert.equal("none", conn:next())
    assert.is_false(conn:input(frame:sub(101) .. "x"))
    assert.is_true(conn:input(frame:sub(101)))
    assert.same({ "message", true }, { conn:next() })
  end)

  it("ends by the first fault of the transport, with or without a sentence", function()
    for _, text in ipairs { "reset by peer", false } do
      local conn = open()
      conn:abort(text or nil)
      conn:abort "another"
      conn:eof()
      local event, code, name, sentence = conn:next()
      assert.same({ "close", 1006, "reset", text or "reset" }, { event, code, name, sentence })
      conn:abort "late"
      conn:eof()
      assert.equal("none", (conn:next()))
    end
  end)
end)

describe("wsc_proxy_check", function()
  it("takes the lack of a proxy, and an empty one", function()
    assert.equal("ok", testing.conn.proxy_check(nil))
    assert.equal("ok", testing.conn.proxy_check "")
    assert.equal("url", testing.conn.proxy_check "ftp://p")
  end)
end)
