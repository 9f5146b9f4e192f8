--- Resident memory per idle connection: each client of bench/clients.lua opens 1, 1000 and 10000
-- connections in one process, lets them idle for 2.5 s and tells by how much it has grown.
--
--     lua5.4 bench/memory.lua [--counts N,N,…] [--clients NAME,…]
--
-- The growth is counted after a first connection was opened and closed: what a process needs once
-- is not in it, but with one connection it shows what the first of a kind brings.  The table is
-- printed and written to build/bench/memory.md.

package.path = "./?.lua;" .. package.path

local clients = require "bench.clients"

local PATIENCE = 180 -- seconds for one run before it counts as stuck
local RESULT_FILE = "build/bench/memory.md"

local KINDS = {
  { title = "plain", size = 0, has = "idle" },
  { title = "compression agreed, unused", size = 1, has = "idle", also = "inflate" },
  { title = "TLS", size = 0, tls = true, has = "idle" },
}

local function fail(...)
  io.stderr:write(string.format(...), "\n")
  os.exit(1)
end

-- ---------------------------------------------------------------- arguments

local function words_of(text)
  local words = {}
  for word in text:gmatch "[^,]+" do words[#words + 1] = word end
  return words
end

local function read_arguments()
  local settings = { counts = { "1", "1000", "10000" } }
  for i = 1, #arg, 2 do
    local name = arg[i]:match "^%-%-(%a+)$"
    if not (name == "counts" or name == "clients") or not arg[i + 1] then
      fail("bench/memory.lua: what is '%s'?", arg[i])
    end
    settings[name] = words_of(arg[i + 1])
  end
  return settings
end

local function is_chosen(client, wanted)
  if not wanted then return true end
  for _, word in ipairs(wanted) do
    if client.name:lower():find(word:lower(), 1, true) then return true end
  end
  return false
end

-- ---------------------------------------------------------------- programs

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

local function build(target)
  return succeeds("make -s -f bench/programs.mk " .. target)
end

local function is_installed(client)
  return (not client.there or succeeds(client.there)) and (not client.build or build(client.build))
end

-- The server lives as long as the pipe to its standard input.
local function start_server()
  os.execute "mkdir -p build/bench"
  if not build "build/bench/server" then fail "the server cannot be built" end
  local fifo = "build/bench/memory.ports"
  os.execute(("rm -f %s && mkfifo %s"):format(fifo, fifo))
  local pipe = assert(io.popen(
    ("ulimit -n $(ulimit -H -n); exec build/bench/server >%s"):format(fifo), "w"))
  local file = assert(io.open(fifo))
  local plain, tls = (file:read "*l" or ""):match "^(%d+) (%d+)$"
  file:close()
  os.remove(fifo)
  if not plain then fail "the server does not say its ports" end
  return pipe, { plain = "ws://127.0.0.1:" .. plain, tls = "wss://127.0.0.1:" .. tls }
end

-- Bytes per connection, or nil.
local function measure(client, kind, urls, count)
  local url = kind.tls and urls.tls or urls.plain
  local pipe = assert(io.popen(
    ("ulimit -n $(ulimit -H -n); exec timeout %d %s %s idle %d %s 2>build/bench/memory.log"):format(
      PATIENCE, client.command, url, kind.size, count)))
  local units, bytes = pipe:read("*a"):match "RESULT (%d+) (%-?%d+)"
  local done = pipe:close()
  if not (done and units == count) then return nil end
  return tonumber(bytes) / tonumber(count)
end

local function can(client, kind)
  local list = kind.tls and (client.tls or "") or client.workloads
  local words = " " .. list .. " "
  return words:find(" idle ", 1, true) and (not kind.also or words:find(kind.also, 1, true))
end

-- ---------------------------------------------------------------- the table

local function row_of(client, kind, urls, counts)
  local cells = { client.name }
  for _, count in ipairs(counts) do
    local bytes = measure(client, kind, urls, count)
    cells[#cells + 1] = bytes and ("%.1f"):format(bytes / 1024) or "failed"
  end
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function table_of(kind, list, urls, counts)
  local lines = { ("KiB per connection, %s:"):format(kind.title), "" }
  local heads = {}
  for i, count in ipairs(counts) do heads[i] = "of " .. count end
  lines[3] = "| client | " .. table.concat(heads, " | ") .. " |"
  lines[4] = "| --- |" .. (" ---: |"):rep(#counts)
  for _, client in ipairs(list) do
    if can(client, kind) then lines[#lines + 1] = row_of(client, kind, urls, counts) end
  end
  return table.concat(lines, "\n") .. "\n"
end

local settings = read_arguments()
local there = {}
for _, client in ipairs(clients) do
  if is_chosen(client, settings.clients) and (can(client, KINDS[1]) or can(client, KINDS[3])) then
    if is_installed(client) then
      there[#there + 1] = client
    else
      io.stderr:write(("not installed: %s (needs %s)\n"):format(client.name, client.needs))
    end
  end
end
local server, urls = start_server()
local parts = {}
for i, kind in ipairs(KINDS) do
  parts[i] = table_of(kind, there, urls, settings.counts)
  print(parts[i])
end
server:close()
local file = assert(io.open(RESULT_FILE, "w"))
file:write(table.concat(parts, "\n"))
file:close()
print("written to " .. RESULT_FILE)
