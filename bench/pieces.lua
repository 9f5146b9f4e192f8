--- A message of a gigabyte over a socket, plain and compressed, taken in pieces: by how much the
-- process grows meanwhile: `make bench-pieces`.  Linux; needs LuaSocket.
--
--     lua5.4 bench/pieces.lua [MIB]

local socket = require "socket"
local wsclose = require "wsclose"

local MIB = 2 ^ 20

-- ---------------------------------------------------------------- the server, another process

-- A mebibyte that hardly deflates, or to an eighth.
local function new_block(compressed)
  local bytes, number, width = {}, 1, compressed and 8 or 64
  for i = 1, MIB / 64 do
    local word = {}
    for j = 1, width do
      number = number * 16807 % 2147483647
      word[j] = string.char(number % 256)
    end
    bytes[i] = table.concat(word):rep(64 / width)
  end
  return table.concat(bytes)
end

-- Fragments of a mebibyte, after the first bytes from the client.  No two are alike: LuaJIT would
-- hold equal pieces once.
local function serve(total, compressed)
  local listener = assert(socket.bind("127.0.0.1", 0))
  io.stdout:write(select(2, listener:getsockname()), "\n")
  io.stdout:flush()
  local connection = listener:accept()
  connection:settimeout(0)
  local p = assert(wsclose.protocol(nil, {
    role = "server", extensions = { ["permessage-deflate"] = compressed and {} or false },
  }))
  local block, left, writer = new_block(compressed), total, nil
  local function move()
    local bytes, fault, part = connection:receive(4096)
    if fault == "closed" then p:eof() else p:input(bytes or part) end
    while p:next() do writer = writer or p:send_fragments "binary" end
    local output = p:output()
    connection:settimeout(nil)
    connection:send(output)
    connection:settimeout(0)
  end
  while not p:finished() do
    move()
    if writer and left > 0 then
      left = left - 1
      block = block:sub(4100) .. block:sub(1, 4099)
      writer[left == 0 and "finish" or "write"](writer, block)
    else
      socket.select({ connection }, nil)
    end
  end
  connection:close()
end

-- ---------------------------------------------------------------- the client

-- The most memory the process has had so far, in KiB.
local function most_memory()
  local file = assert(io.open "/proc/self/status")
  local text = file:read "*a"
  file:close()
  return tonumber(text:match "VmHWM:%s*(%d+)")
end

local function measure(total, kind)
  local this = ("%s bench/pieces.lua %d serve %s"):format(arg[-1], total, kind)
  local server = assert(io.popen(this))
  local url = "ws://127.0.0.1:" .. server:read "*l" .. "/"
  local ws = assert(wsclose.connect(url, { pieces = true, limits = { message = math.huge } }))
  ws:send "begin"
  local before, size, is_over = nil, 0, false
  while not is_over do
    local piece, _, last = assert(ws:receive_piece())
    size, is_over = size + #piece, last
    before = before or most_memory()
  end
  local growth = most_memory() - before
  print(("%d MiB, %-10s %d KiB more than at its first piece; %.0f MiB on the wire"):format(
    size / MIB, kind .. ":", growth, ws:stats().bytes_in / MIB))
  ws:close()
  ws:run()
  server:close()
end

local total = tonumber(arg[1] or 1024)
if arg[2] == "serve" then
  serve(total, arg[3] == "compressed")
elseif arg[2] then
  measure(total, arg[2])
else -- each in a process of its own, which has not grown before
  for _, kind in ipairs { "plain", "compressed" } do
    os.execute(("%s bench/pieces.lua %d %s"):format(arg[-1], total, kind))
  end
end
