--- What the rows of the close matrix are made of: bytes for the server to say, and what server and
-- program do, each a function of a support.Stage.

local wire = require "wsclose.testing.wire"

local acts = { SOCKET = "over a socket", TLS = "over TLS", MIB = 1024 * 1024, frame = wire.frame }

-- Of rows that only differ in bytes: TLS has nothing to add.
acts.PLAIN = { "in the scripted world", acts.SOCKET }

local frame = wire.frame

function acts.text(payload) return frame { payload = payload } end

function acts.texts(count) return acts.text("x"):rep(count) end

function acts.close(code, reason)
  return frame { opcode = "close", payload = wire.close_payload(code, reason) }
end

function acts.body(payload) return frame { opcode = "close", payload = payload } end

-- The server says these bytes.
function acts.says(bytes)
  return function(s) s:say(bytes) end
end

-- The program closes; then the server, which does not answer by itself, says these bytes.
function acts.closes(code, reason, bytes)
  return function(s)
    if bytes then s:silence() end
    s.ws:close(code, reason)
    s:turn()
    if bytes and bytes ~= "" then s:say(bytes) end
  end
end

function acts.both(first, second)
  return function(s, way)
    first(s, way)
    second(s, way)
  end
end

function acts.drops(s) s:drop() end

function acts.cuts(s) s:drop(true) end

function acts.resets(s) s:reset() end

function acts.leaves(s) s.ws:leave() end

function acts.is_silent(s) s:silence() end

-- The program closes from within a callback.
function acts.closes_in(name)
  return function(s)
    local callback = s.ws[name]
    s.ws[name] = function(ws, ...)
      callback(ws, ...)
      ws:close(1000, "bye")
    end
  end
end

-- What was said arrives, and what it brings goes out.
function acts.settle(s)
  for _ = 1, 3 do s:turn() end
end

-- The server reads nothing, and more is queued than kernels hold.
function acts.queues(s)
  s:hold()
  assert(s.ws:send(("x"):rep(8 * acts.MIB), "binary", { compress = false }))
  s:take(1000)
  local before
  repeat -- what kernels still take
    before = s.ws:buffered()
    acts.settle(s)
  until s.ws:buffered() == before
  assert(s.ws:send("behind", "text", { compress = false }))
end

-- ---------------------------------------------------------------- sections and rows

---@param title string
---@param words? string
---@param rows closing.Row[]
function acts.section(title, words, rows)
  return { title = title, words = words, rows = rows }
end

---@return table with the fields of all, later ones over earlier ones
function acts.merged(...)
  local all = {}
  for _, fields in ipairs { ... } do
    for name, value in pairs(fields) do all[name] = value end
  end
  return all
end

return acts
