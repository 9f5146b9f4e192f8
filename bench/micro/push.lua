--- Messages as Lua strings handed to a function, through wsclose.protocol; beside it what Lua needs
--- to make such strings and to call a function with each.
local wsclose = require "wsclose"

local ROUNDS, BATCH, REPEATS = 41, 64, 40

local function opened()
  local client = assert(wsclose.protocol("ws://127.0.0.1/", { extensions = {} }))
  local server = assert(wsclose.protocol(nil, { role = "server" }))
  server:input(client:output())
  assert(server:next() == "open")
  client:input(server:output())
  assert(client:next() == "open")
  return client, server
end

local count = 0
local function on_message(data)
  count = count + #data
end

--- All messages of `wire`, pulled and handed on.
local function pull(client, wire)
  client:input(wire)
  local event, data = client:next()
  while event do
    on_message(data)
    event, data = client:next()
  end
end

-- A text unlike any other: Lua keeps one copy of equal short strings.
local function message(i, size)
  return (("%08d"):format(i) .. ("x"):rep(size)):sub(1, size)
end

local function cut(wire, size)
  for i = 0, BATCH - 1 do
    on_message(wire:sub(i * size + 1, (i + 1) * size))
  end
end

local function time(run, a, b)
  local start = os.clock()
  for _ = 1, REPEATS do
    run(a, b)
  end
  return (os.clock() - start) / (REPEATS * BATCH) * 1e9
end

local function median(times)
  table.sort(times)
  return times[(#times + 1) / 2]
end

print(("\n%-22s %8s %8s %8s"):format(_VERSION .. ", ns", "bytes", "sub", "events"))
for _, size in ipairs { 40, 48, 125, 4096 } do
  local client, server = opened()
  local plain = {}
  for i = 1, BATCH do
    plain[i] = message(i, size)
    assert(server:send(plain[i]))
  end
  local wire, text = server:output(), table.concat(plain)
  local ours, floor = {}, {}
  for i = 1, ROUNDS do
    ours[i] = time(pull, client, wire)
    floor[i] = time(cut, text, size)
  end
  assert(count == 2 * ROUNDS * REPEATS * BATCH * size, "messages were lost")
  count = 0
  print(("%-22s %8d %8.1f %8.1f"):format("message to function", size, median(floor), median(ours)))
end
