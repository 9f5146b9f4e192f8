-- The law of architecture.md: the same bytes, cut anywhere, give the same events, the same errors
-- and the same output.  With the option pieces too, once the pieces of a message are joined.
-- Streams are made from a seeded generator, so a failure can be run again: WSCLOSE_SEED=n and
-- WSCLOSE_STREAMS=1 give the one that the message names.

local new_random = require "support.random"
local talk = require "support.talk"
local wsclose = require "wsclose"
local wire = require "support.wire"
local handshake = require "support.scripted.handshake"

local STREAMS = tonumber(os.getenv "WSCLOSE_STREAMS" or 20000)
local FIRST_SEED = tonumber(os.getenv "WSCLOSE_SEED" or 1)

local TEXTS = {
  "", "a", "hello", "gr\195\188\195\159e", "\226\130\172 5", "\240\159\154\128 up",
  ("long "):rep(30),
  "\255", "a\192\128", "\237\160\128", "cut \226\130", "\244\144\128\128", "x\128", ("y"):rep(126),
}
-- Compressed by others (RFC 7692 7.2.3), and broken.
local COMPRESSED = {
  "f248cdc9c90700", "f200110000", "f348cdc9c9070000", "f248050000000ffff0c4", "00", "ffffff",
  "f248cd",
  "000500faff48656c6c6f00", "f348cdc9c90700f348cdc9c9070000", "0100000000ff", "03000300",
  "aa5602", "c9483d00",
}
local CLOSES = { "", "03", "03e8", "03e96177617921", "03ed", "03e8ff", "03e8e2", "0bb8", "1388" }

local function pick(random, list)
  return list[random(1, #list)]
end

local function data_frame(random, state)
  local frame = { payload = pick(random, TEXTS), opcode = random(1, 2), fin = random(1, 3) > 1 }
  if state.open and random(1, 12) > 1 then
    frame.opcode = 0
  elseif not state.open and random(1, 25) == 1 then
    frame.opcode = 0
  end
  if state.deflate and random(1, 2) == 1 then
    local stored = random(1, 3) == 1
    frame.payload = stored and wire.stored(frame.payload) or wire.hex(pick(random, COMPRESSED))
    frame.rsv1 = frame.opcode ~= 0 or random(1, 20) == 1
  end
  state.open = not frame.fin
  return frame
end

local function any_frame(random, state)
  local kind = random(1, 24)
  if kind <= 16 then
    return data_frame(random, state)
  elseif kind <= 18 then
    return { opcode = random(9, 10), payload = pick(random, { "", "p", "ping pong" }) }
  elseif kind == 19 then
    return { opcode = 8, payload = wire.hex(pick(random, CLOSES)) }
  elseif kind == 20 then
    local rsv1, rsv2 = random(1, 2) == 1, random(1, 4) == 1
    return { opcode = random(0, 15), payload = "r", rsv1 = rsv1, rsv2 = rsv2 }
  elseif kind == 21 then
    return { opcode = random(8, 10), payload = ("c"):rep(random(120, 130)), fin = random(1, 3) > 1 }
  elseif kind == 22 then
    return { payload = "m", mask = "abcd" }
  elseif kind == 23 then
    return { payload = ("l"):rep(random(0, 130)), form = pick(random, { 16, 64 }) }
  end
  return { payload = ("big"):rep(random(60, 120)), fin = random(1, 2) == 1 }
end

local ANSWERS = {
  {},
  { extensions = "permessage-deflate" },
  { extensions = "permessage-deflate; server_no_context_takeover" },
  { extensions = "permessage-deflate; server_max_window_bits=8" },
  { extensions = "permessage-deflate; nonsense" },
  { lines = { "X-Long: " .. ("h"):rep(200), " folded" } }, { set = { Upgrade = "h2c" } },
  { status = "HTTP/1.1 404 Not Found", body = ("not here "):rep(20) }, { status = "HTP/1.1 101 ?" },
  { line_end = "\n" },
}

local function make_stream(seed)
  local random = new_random(seed)
  local answer = random(1, 2) == 1 and ANSWERS[random(1, 4)] or pick(random, ANSWERS)
  local deflate = (answer.extensions or ""):find "^permessage%-deflate" ~= nil
  local state = { deflate = deflate, open = false }
  local frames = {}
  for i = 1, random(0, 7) do
    frames[i] = wire.frame(any_frame(random, state))
  end
  local bytes = table.concat(frames)
  if random(1, 10) == 1 and #bytes > 0 then -- a byte turned over, anywhere
    local at = random(1, #bytes)
    bytes = bytes:sub(1, at - 1) .. string.char(random(0, 255)) .. bytes:sub(at + 1)
  end
  return {
    answer = answer,
    bytes = bytes,
    required = random(1, 8) == 1,
    close_at = random(1, 10) == 1 and random(1, 4) or nil, -- the program closes after that event
    trace = ({ true, "payload" })[random(1, 12)],
  }
end

local function start(stream, piece_size)
  local p = assert(wsclose.protocol("ws://feed.example/v1", {
    random_bytes = talk.fixed_bytes,
    pieces = piece_size and { size = piece_size },
    extensions = { ["permessage-deflate"] = { required = stream.required } },
    limits = { message = 400, frame = 300, fragments = 4, header = 600 },
    trace = stream.trace,
  }))
  local request = p:output()
  p:tick(0)
  return p, request
end

-- The bytes of an answer: all requests are the same in what it says of them.
local answers = {}
local function answer_to(request, answer)
  answers[answer] = answers[answer] or handshake.answer(handshake.read(request), answer)
  return answers[answer]
end

local function describe_value(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for name, item in pairs(value) do
    if name ~= "duration" then
      parts[#parts + 1] = tostring(name) .. "=" .. describe_value(item)
    end
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- An event as it is logged; the pieces of a message when it is over, as that message.
local function log_event(log, event, a, b, c)
  if event == "piece" then
    log.begun = log.begun .. a
    local wrong = #a > log.piece_size or a == "" and not c
    if not wrong and not c then return end
    event, a, b, c = wrong and "a wrong piece" or "message", log.begun, b, nil
    log.begun = ""
  end
  local values = { event, describe_value(a), describe_value(b), describe_value(c) }
  log[#log + 1] = table.concat(values, " ")
end

-- Takes all events there are; the log is what the law is about.
local function take(p, stream, log)
  local event, a, b, c = p:next()
  while event do
    local size = #log
    log_event(log, event, a, b, c)
    if #log > size and #log == stream.close_at then
      p:close(1000, "enough")
    end
    event, a, b, c = p:next()
  end
end

-- `cut(n)` gives the size of the next part of n bytes.  Second, what there was of a message that
-- was never over.
local function play(stream, cut, piece_size)
  local p, request = start(stream, piece_size)
  local log = { begun = "", piece_size = piece_size }
  local bytes = answer_to(request, stream.answer) .. stream.bytes
  local at = 1
  while at <= #bytes do
    local size = cut(#bytes - at + 1)
    p:input(bytes:sub(at, at + size - 1))
    take(p, stream, log)
    at = at + size
  end
  log[#log + 1] = "output " .. wire.to_hex(p:output())
  p:eof()
  take(p, stream, log)
  log[#log + 1] = "payload " .. p:stats().payload_in
  return table.concat(log, "\n"), log.begun
end

local PIECE_SIZES = { 1, 2, 7, 40, 300, 65536 }

local function whole(n)
  return n
end

local function single()
  return 1
end

describe("the chunking law", function()
  local title = "holds for %d random streams, cut at random places and byte by byte"
  it(title:format(STREAMS), function()
    local seen = {}
    for seed = FIRST_SEED, FIRST_SEED + STREAMS - 1 do
      local stream = make_stream(seed)
      local random = new_random(seed + 500000)
      local expected = play(stream, whole)
      local cut = play(stream, function(n)
        return random(1, math.min(n, 60))
      end)
      if cut ~= expected then
        assert.equal(expected, cut, "seed " .. seed .. ", random cuts")
      end
      local bytewise = play(stream, single)
      if bytewise ~= expected then
        assert.equal(expected, bytewise, "seed " .. seed .. ", byte by byte")
      end
      local piece_size = PIECE_SIZES[seed % #PIECE_SIZES + 1]
      local pieces, begun = play(stream, function(n)
        return random(1, math.min(n, 300))
      end, piece_size)
      if pieces ~= expected then
        assert.equal(expected, pieces, "seed " .. seed .. ", in pieces, random cuts")
      end
      local all_pieces, all_begun = play(stream, single, piece_size)
      if all_pieces ~= expected then
        assert.equal(expected, all_pieces, "seed " .. seed .. ", in pieces, byte by byte")
      end
      -- how much is seen of a message that breaks off is left open, but not what
      local size = math.min(#all_begun, #begun)
      if all_begun:sub(1, size) ~= begun:sub(1, size) then
        assert.equal(all_begun, begun, "seed " .. seed .. ", the beginning of a message")
      end
      local close = expected:match "close (%d+)"
      seen[close] = (seen[close] or 0) + 1
    end
    -- the streams are worth something only if they reach all the ways to end
    if STREAMS >= 20000 then
      for _, code in ipairs { "1000", "1001", "1002", "1005", "1006", "1007", "1009", "1010" } do
        local count = seen[code] or 0
        assert.is_true(count > 100, "only " .. count .. " streams ended with " .. code)
      end
    end
  end)
end)
