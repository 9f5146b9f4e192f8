-- Much through a pipe: byte for byte, and without being gathered here.

local cli = require "wsclose.cli"
local command = require "support.command"
local process = require "support.process"
local testing = require "wsclose.testing"

local server

setup(function() server = command.serve() end)
teardown(process.stop_all)

-- Prints at its end, on standard error, what memory it needed at most.
local MEASURED = [[
local exit = os.exit
os.exit = function(...)
  local file = io.open "/proc/self/status"
  io.stderr:write("kilobytes ", file:read("*a"):match "VmHWM:%s*(%d+)", "\n")
  exit(...)
end]]

-- Bytes that do not compress, the same each time.
local BYTES = "openssl enc -aes-128-ctr -nosalt -K 0 -iv 0 -in /dev/zero 2>/dev/null | head -c %d"

-- So many bytes to the server and back, compared there; the memory needed.
local function through(megabytes, path)
  local bytes = BYTES:format(megabytes * 1000000)
  local words = command.words({ "--binary", "ws://" .. server.address .. path }, { "-e", MEASURED })
  local line = ('%s | sha256sum; %s | { %s; echo "status $?" >&2; } | sha256sum'):format(
    bytes, bytes, command.quoted(words))
  local result = command.shell(line)
  local sent, came = result.out:match "^(%x+)[^\n]*\n(%x+)"
  assert.equal(sent, came, result.err)
  assert.matches("status 0\n", result.err)
  return tonumber(result.err:match "kilobytes (%d+)")
end

describe("a pipe", function()
  for _, path in ipairs { "/plain", "/" } do
    it("of 100 MB goes to " .. path .. " and back, in the memory that 10 MB need", function()
      local few, many = through(10, path), through(100, path)
      assert.is_true(many < few + 8000, ("%d kB, %d kB"):format(few, many))
    end)
  end
end)

describe("standard input", function()
  after_each(testing.reset)

  -- In this process, on the scripted clock; `read` in the place of standard input.
  local function run(words, read)
    local clock = testing.clock()
    local function nothing() end
    return cli.main(words, {
      out = nothing, err = nothing, flush = nothing, read = read,
      now = function() return clock:now() end,
    })
  end

  it("is not read while a mebibyte of it has not left", function()
    local head, reads = 14, {}
    testing.server("ws://feed.example"):accept():hold():wait(5):release()
    local status = run({ "--binary", "--no-compression", "ws://feed.example" }, function()
      reads[#reads + 1] = testing.clock():now()
      return #reads == 1 and ("x"):rep(1048576 - head) or nil
    end)
    assert.same({ 0, { 0, 5 } }, { status, reads })
  end)

  it("of more lines than fit into the queue is sent as there is room, in order", function()
    local feed, lines, sent, got = testing.server "ws://feed.example", {}, {}, {}
    feed:accept():hold():wait(5):release()
    for i = 1, 20 do
      sent[i], lines[i] = i, ("%02d"):format(i) .. ("x"):rep(1000000) .. "\n"
    end
    local text = table.concat(lines)
    local status = run({ "--no-compression", "ws://feed.example" }, function()
      local bytes = text
      text = nil
      return bytes
    end)
    for i, message in ipairs(feed.connections[1].messages) do
      got[i] = tonumber(message.data:sub(1, 2))
    end
    assert.same({ 0, sent }, { status, got })
  end)

  it("is waited for without end where no ping is due", function()
    testing.server("ws://feed.example"):accept():expect "late"
    local reads = 0
    local status = run({ "--ping", "0", "ws://feed.example" }, function()
      reads = reads + 1
      if reads < 4 then testing.clock():advance(2) end
      return reads < 4 and "" or reads == 4 and "late" or nil
    end)
    assert.same({ 0, 5 }, { status, reads })
  end)
end)
