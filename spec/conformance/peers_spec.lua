-- Echo, fragments, pings and closing, against servers that wsclose did not write.

local peers = require "support.peers"
local process = require "support.process"
local recorder = require "support.recorder"

local KIB, MIB = 1024, 1024 * 1024
local DEFLATE = "permessage-deflate"

-- ---------------------------------------------------------------- what is tried with which peer

---@class Configuration
---@field name string
---@field offer table|false of permessage-deflate
---@field query string for the server
---@field agreed? table<string, string|true> parameters in the answer; nil: not compressed
---@field large? boolean is 16 MiB tried too?

---@type Configuration[]
local asked_by_client = {
  { name = "without permessage-deflate", offer = false, query = "", large = true },
  { name = "with permessage-deflate", offer = {}, query = "deflate", agreed = {}, large = true },
}

-- One parameter each: asked for by the client; then demanded by the server on its own account,
-- which the default offer allows for all four.
local demanded_by_server = {}
for _, parameter in ipairs {
  { "server_no_context_takeover", true },
  { "client_no_context_takeover", true },
  { "server_max_window_bits", 10 },
  { "client_max_window_bits", 10 },
} do
  local name, value = parameter[1], parameter[2]
  local written = value == true and name or name .. "=" .. value
  local agreed = { [name] = value == true or tostring(value) }
  asked_by_client[#asked_by_client + 1] = {
    name = "with " .. written,
    parameter = name,
    offer = { [name] = value },
    query = "deflate",
    agreed = agreed,
  }
  demanded_by_server[#demanded_by_server + 1] = {
    name = "with " .. written .. " on the server's demand",
    offer = {},
    query = written,
    agreed = agreed,
  }
end

-- What a peer does in its own way.  ignores: parameters that it takes without a word.
local plans = {
  { key = "websockets", lists = { asked_by_client, demanded_by_server } },
  { key = "ws", lists = { asked_by_client, demanded_by_server } },
  {
    key = "lws",
    lists = { asked_by_client },
    ignores = { client_max_window_bits = true },
    -- It takes server_max_window_bits and does not confirm it: no such connection can be.
    refuses = { server_max_window_bits = true },
    -- It reads this one parameter as if it were the client's: both or none.
    also = { server_no_context_takeover = { client_no_context_takeover = true } },
    silent_about_echo = true,
  },
  {
    key = "autobahn",
    lists = { asked_by_client },
    ignores = { client_no_context_takeover = true, client_max_window_bits = true },
    slow = true,
    -- It answers every Close with 1000.
    echoes_close = { code = 1000, reason = "" },
  },
}

-- ---------------------------------------------------------------- payloads

local SIZES = { 0, 1, 125, 126, 65535, 65536, MIB }
local SIZE_LARGE = 16 * MIB

-- Text that compresses about as text does, and whose end falls within no character.
local function text_of(size)
  local lines = {}
  for i = 1, math.min(size / 16, 4096) + 1 do
    lines[i] = ("%d: größer als €%d 😀\n"):format(i, i * i % 977)
  end
  local text = table.concat(lines)
  text = text:rep(math.ceil(size / #text)):sub(1, size)
  local whole = #text
  while whole > 0 and (text:byte(whole) >= 128) do
    whole = whole - 1
  end
  return text:sub(1, whole) .. ("."):rep(size - whole)
end

-- All byte values; a quarter of them random, so that it compresses, but not to nothing.
local function binary_of(size)
  local bytes, state = {}, 1
  for i = 1, math.min(size, 8 * KIB) do
    state = (state * 1103 + 12345) % 65536
    bytes[i] = string.char(i % 4 == 0 and (state - state % 256) / 256 or i % 7 * 41)
  end
  local block = table.concat(bytes)
  return size == 0 and "" or block:rep(math.ceil(size / #block)):sub(1, size)
end

-- Bytes of which DEFLATE can make nothing: they repeat beyond its window only.
local function noise_of(size)
  local bytes, state = {}, 1
  for i = 1, 64 * KIB do
    state = (state * 25173 + 13849) % 4294967296
    bytes[i] = string.char(math.floor(state / 16777216))
  end
  local block = table.concat(bytes)
  return block:rep(math.ceil(size / #block)):sub(1, size)
end

local function copy(map)
  local result = {}
  for name, value in pairs(map) do
    result[name] = value
  end
  return result
end

-- Each is wanted many times.
local function remembered(make)
  local made = {}
  return function(size)
    made[size] = made[size] or make(size)
    return made[size]
  end
end

text_of, binary_of, noise_of = remembered(text_of), remembered(binary_of), remembered(noise_of)

local payload_of = { text = text_of, binary = binary_of }

-- Not assert.equal: nobody wants to read 16 MiB in a failure.
local function assert_message(kind, data, message)
  assert.equal(kind, message.kind)
  assert.equal(#data, #message.data)
  assert.is_true(data == message.data, "the echo differs")
end

-- Of what was sent: frames that continue a message, and pings between the frames of one.
local function count_sent_within(entries)
  local continuations, pings, within = 0, 0, false
  for _, entry in ipairs(entries) do
    local frame = entry.frame
    if entry.direction == "out" then
      continuations = continuations + (frame.name == "continuation" and 1 or 0)
      pings = pings + (within and frame.name == "ping" and 1 or 0)
      if frame.opcode < 8 then
        within = not frame.fin
      end
    end
  end
  return continuations, pings
end

-- ---------------------------------------------------------------- the specs

local last_id = 0

local function specify(plan, peer_of, configuration)
  local offer, agreed = configuration.offer, configuration.agreed
  if agreed and (plan.ignores or {})[configuration.parameter] then
    agreed = {}
  end
  for name, value in pairs((plan.also or {})[configuration.parameter] or {}) do
    offer, agreed = copy(offer), copy(agreed)
    offer[name], agreed[name] = value, value
  end

  local function connect(query, options)
    last_id = last_id + 1
    options = options or {}
    options.extensions = { [DEFLATE] = offer }
    local url = ("ws://127.0.0.1:%d/?id=%d&%s"):format(peer_of().port, last_id, configuration.query)
    local r = recorder.new(url .. (query and "&" .. query or ""), options)
    r.id = last_id
    return r, r:wait_open()
  end

  -- Goes on with the client until the peer says so of its connection.
  local function wait_line(r, pattern)
    return r:wait(function()
      return peer_of():look("^" .. r.id .. " " .. pattern)
    end, pattern .. " of the peer")
  end

  local function close(r)
    r.ws:close()
    return r:wait_close()
  end

  it("agrees on what was asked for", function()
    local r = connect()
    local extension = r.ws:info().extensions[DEFLATE]
    assert.same(agreed, extension and extension.params)
    assert.equal(1000, close(r).code)
  end)

  for _, kind in ipairs { "text", "binary" } do
    it("echoes " .. kind .. " of 0 bytes to 1 MiB, one after the other", function()
      local r = connect()
      for _, size in ipairs(SIZES) do
        local data = payload_of[kind](size)
        assert.is_true(r.ws:send(data, kind))
        assert_message(kind, data, r:wait_message())
      end
      local stats = r.ws:stats()
      if kind == "text" then
        local compressed = stats.wire_out < stats.payload_out / 2
        assert.equal(configuration.agreed ~= nil, compressed)
      end
      close(r)
    end)
  end

  if configuration.large and not plan.slow then
    it("echoes 16 MiB of text and of binary", function()
      local r = connect()
      for _, kind in ipairs { "text", "binary" } do
        local data = payload_of[kind](SIZE_LARGE)
        assert.is_true(r.ws:send(data, kind))
        assert_message(kind, data, r:wait_message())
      end
      close(r)
    end)
  end

  it("echoes many small messages that leave together", function()
    local r = connect()
    for i = 1, 200 do
      assert.is_true(r.ws:send(("message %d "):format(i):rep(i % 20)))
    end
    for i = 1, 200 do
      assert.equal(("message %d "):format(i):rep(i % 20), r:wait_message().data)
    end
    close(r)
  end)

  -- Of a compressed message a frame leaves when zlib gives bytes: noise, so that it gives some.
  it("sends messages in fragments, a ping between them", function()
    local r = connect(nil, { on_frame = true })
    local sizes = { 3, 300, 200000 }
    for kind, payload in pairs { text = text_of, binary = noise_of } do
      for _, size in ipairs(sizes) do
        local data = payload(size)
        local writer = assert(r.ws:send_fragments(kind))
        local third = math.floor(size / 3) -- of text: anywhere, within a character too
        assert.is_true(writer:write(data:sub(1, third)))
        assert.is_true(r.ws:ping(kind .. size))
        assert.is_true(writer:write(data:sub(third + 1, 2 * third)))
        assert.is_true(writer:finish(data:sub(2 * third + 1)))
        assert_message(kind, data, r:wait_message())
        r:wait(function()
          return r.pongs[#r.pongs] and r.pongs[#r.pongs].data == kind .. size
        end, "on_pong")
      end
    end
    local continuations, pings_within = count_sent_within(r.frames)
    assert.is_true(continuations >= (agreed and 2 or 2 * 2 * #sizes))
    assert.is_true(pings_within >= (agreed and 1 or 2 * #sizes))
    close(r)
  end)

  it("reads messages in fragments, a ping between them", function()
    local r = connect("fragment=1000&ping", { on_frame = true })
    local sizes = { 0, 1, 999, 1000, 1001, 2000, 65536 }
    for _, size in ipairs(sizes) do
      for _, kind in ipairs { "text", "binary" } do
        local data = payload_of[kind](size)
        assert.is_true(r.ws:send(data, kind))
        assert_message(kind, data, r:wait_message())
        assert.equal("between", wait_line(r, "PONG (.*)$"))
      end
    end
    assert.equal(2 * #sizes, #r.pings)
    local fragments = 0
    for _, entry in ipairs(r.frames) do
      local continues = entry.direction == "in" and entry.frame.name == "continuation"
      fragments = fragments + (continues and 1 or 0)
    end
    assert.is_true(fragments > 2)
    close(r)
  end)

  it("closes with code and reason", function()
    local r = connect()
    assert.is_true(r.ws:close(4001, "good bye ü"))
    local came = r:wait_close()
    assert.equal("CLOSED 4001 good bye ü", wait_line(r, "(CLOSED.*)$"))
    assert.same({ code = 4001, reason = "good bye ü" }, came.info.sent)
    assert.same(plan.echoes_close or came.info.sent, came.info.received)
    assert.is_true(came.info.clean)
    assert.equal(1, #r.closes)
  end)

  it("is closed by the server with code and reason", function()
    local r = connect()
    peer_of():tell "close 4000 too ü late"
    local came = r:wait_close()
    assert.equal(4000, came.code)
    assert.equal("too ü late", came.reason)
    assert.equal("peer", came.info.by)
    assert.is_true(came.info.clean)
    if not plan.silent_about_echo then
      assert.equal("CLOSED 4000 too ü late", wait_line(r, "(CLOSED.*)$"))
    end
    assert.equal(1, #r.closes)
  end)
end

-- A server that does not confirm what the client asked for, RFC 7692 7.1.2.1.
local function specify_refusal(peer_of, configuration)
  it("fails the handshake: the server does not confirm it", function()
    local url = ("ws://127.0.0.1:%d/?%s"):format(peer_of().port, configuration.query)
    local r = recorder.new(url, { extensions = { [DEFLATE] = configuration.offer } })
    local came = r:wait_close()
    assert.equal(1006, came.code)
    assert.equal("extension", came.info.error.name)
    assert.matches(configuration.parameter, came.info.error.message, 1, true)
    assert.equal(0, #r.opens)
  end)
end

for _, plan in ipairs(plans) do
  describe(peers.all[plan.key].name, function()
    local peer

    lazy_setup(function()
      peer = peers.start(plan.key)
    end)

    lazy_teardown(process.stop_all)

    local function peer_of()
      return peer
    end

    for _, list in ipairs(plan.lists) do
      for _, configuration in ipairs(list) do
        describe(configuration.name, function()
          if (plan.refuses or {})[configuration.parameter] then
            specify_refusal(peer_of, configuration)
          else
            specify(plan, peer_of, configuration)
          end
        end)
      end
    end
  end)
end

-- python-websockets' usual compressor holds little and writes a head every 2 KiB or so where it
-- finds nothing to compress: the frame is longer than the message.
describe("16 MiB of noise as python-websockets compresses them by default", function()
  lazy_teardown(process.stop_all)

  it("are taken under the usual limits", function()
    local url = ("ws://127.0.0.1:%d/?defaults"):format(peers.start("websockets").port)
    local r = recorder.new(url, { on_frame = true })
    assert.equal("12", r:wait_open().extensions[DEFLATE].params.server_max_window_bits)
    local data = noise_of(SIZE_LARGE)
    assert.is_true(r.ws:send(data, "binary"))
    assert_message("binary", data, r:wait_message())
    local frame = r.frames[#r.frames].frame
    assert.is_true(frame.rsv1 and frame.size > SIZE_LARGE, frame.size)
    r.ws:close()
    r:wait_close()
  end)
end)

describe("libwebsockets' own test server", function()
  local peer

  lazy_setup(function()
    peer = peers.start "lws_test_server"
  end)

  lazy_teardown(process.stop_all)

  local function connect(protocol)
    local url = "ws://127.0.0.1:" .. peer.port
    local r = recorder.new(url, { protocols = { protocol } })
    local info = r:wait_open()
    assert.equal(protocol, info.protocol)
    return r
  end

  -- It mirrors everything as text.
  for _, size in ipairs { 1, 125, 126, 4000 } do
    it("mirrors " .. size .. " bytes", function()
      local r = connect "lws-mirror-protocol"
      local data = text_of(size)
      assert.is_true(r.ws:send(data))
      assert_message("text", data, r:wait_message())
      r.ws:close(4001, "bye")
      local came = r:wait_close()
      assert.same({ code = 4001, reason = "bye" }, came.info.received)
      assert.is_true(came.info.clean)
    end)
  end

  it("counts, one message every 50 ms, until it is closed", function()
    local r = connect "dumb-increment-protocol"
    for count = 0, 3 do
      assert.equal(tostring(count), r:wait_message().data)
    end
    r.ws:close()
    assert.equal(1000, r:wait_close().code)
  end)

  it("resets its count at a word, which tells that it got it", function()
    local r = connect "dumb-increment-protocol"
    r:wait_message()
    assert.equal("1", r:wait_message().data)
    r.ws:send "reset\n"
    local seen
    repeat
      seen = r:wait_message().data
    until seen == "0"
    r.ws:close()
    r:wait_close()
  end)
end)
