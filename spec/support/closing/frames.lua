--- The rows of the close matrix for frames that break the protocol.

local acts = require "support.closing.acts"

local text, texts, says, frame, MIB = acts.text, acts.texts, acts.says, acts.frame, acts.MIB

-- ---------------------------------------------------------------- what breaks a rule of frames

local RESERVED = "a reserved bit is set that no extension gave a meaning"
local LENGTH = "a frame's length is not in its shortest form"
local NOT_UTF8 = "a text message is not valid UTF-8"
local DEFLATE = { extensions = "permessage-deflate" }

local function more(payload, fin)
  return frame { opcode = "continuation", payload = payload, fin = fin }
end

local function first(payload)
  return frame { payload = payload, fin = false }
end

local function compressed(payload)
  return frame { payload = payload, rsv1 = true }
end

-- What the server says, with which code the client answers, and why; `name` is that of the error.
local faults = {
  { "RSV2 is set", frame { rsv2 = true }, 1002, RESERVED },
  { "RSV1 without an extension", frame { rsv1 = true }, 1002, RESERVED },
  { "RSV1 on a continuation", first "a" .. frame { opcode = "continuation", rsv1 = true },
    1002, RESERVED, options = { answer = DEFLATE } },
  { "opcode 3", frame { opcode = 3 }, 1002, "a frame has a reserved opcode" },
  { "opcode 11", frame { opcode = 11 }, 1002, "a frame has a reserved opcode" },
  { "a masked frame", frame { payload = "a", mask = "abcd" }, 1002, "the server masked a frame" },
  { "a length of 1 in 16 bits", frame { payload = "a", form = 16 }, 1002, LENGTH },
  { "a length of 1 in 64 bits", frame { payload = "a", form = 64 }, 1002, LENGTH },
  { "a length of 2^63", frame { length = "\128\0\0\0\0\0\0\0" },
    1002, "a frame's 64-bit length has its highest bit set" },
  { "a ping of 126 bytes", frame { opcode = "ping", payload = ("a"):rep(126) },
    1002, "a control frame is longer than 125 bytes" },
  { "a fragmented ping", frame { opcode = "ping", fin = false },
    1002, "a control frame is fragmented" },
  { "a fragmented Close", frame { opcode = "close", fin = false },
    1002, "a control frame is fragmented" },
  { "a continuation of nothing", more "",
    1002, "a continuation frame came without a message to continue" },
  { "a message within a message", first "a" .. text "b",
    1002, "a new message began before the last one was finished" },
  { "a fault behind messages: they are given", texts(2) .. frame { opcode = 3 },
    1002, "a frame has a reserved opcode", given = 2 },
  { "text that is no UTF-8", text "a\192\175", 1007, NOT_UTF8, name = "utf8" },
  { "the same, found before the frame is whole", "\129\9a\192", 1007, NOT_UTF8, name = "utf8" },
  { "text that inflates to what is no UTF-8", compressed "\250\15\0",
    1007, NOT_UTF8, name = "utf8", options = { answer = DEFLATE } },
  { "compressed bytes that are none", compressed "\7\255",
    1002, "a compressed message is corrupt", name = "deflate", options = { answer = DEFLATE } },
  { "a frame over `limits.frame`: told by its head", frame { length = 17 * MIB },
    1009, "a frame of 17825792 bytes is larger than limits.frame (16777216)", name = "too_big" },
  { "a message over `limits.message`", first "ab" .. more "cd",
    1009, "a message of 4 bytes is larger than limits.message (3)", name = "too_big",
    options = { limits = { message = 3 } } },
  { "a message that inflates to more", compressed "\242\72\205\201\201\7\0",
    1009, "a message inflates to more than limits.message (4)", name = "too_big",
    options = { limits = { message = 4 }, answer = DEFLATE } },
  { "more fragments than `limits.fragments`", first "a" .. more("b", false) .. more "c",
    1009, "a message has more frames than limits.fragments (2)", name = "too_big",
    options = { limits = { fragments = 2 } } },
}

local broken = {}
for i, fault in ipairs(faults) do
  local given = fault.given and (", %d given"):format(fault.given) or ""
  broken[i] = {
    fault[1], play = says(fault[2] .. text "behind"), options = fault.options, ways = acts.PLAIN,
    follows = "no",
    out = ('Close %d "…"'):format(fault[3]), told = ('%d "%s"'):format(fault[3], fault[4]),
    how = "by the client" .. given, error = (fault.name or "protocol") .. " in open",
  }
end

return {
  acts.section("A frame of the server's breaks a rule", "What comes behind it is not looked at.",
    broken),
}
