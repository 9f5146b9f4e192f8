-- The suite ends what it starts, whatever happens to the suite.

local socket = require "socket"
local peers = require "support.peers"
local process = require "support.process"

local ECHO_LINES = "echo PORT 1; echo pid $$; while read line; do echo got $line; done"

local function is_alive(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  local stat = file and file:read "*l"
  if file then
    file:close()
  end
  return stat ~= nil and not stat:find("^%d+ %b() [ZX]")
end

local function wait_until_gone(pid)
  local give_up_at = socket.gettime() + process.patience
  while is_alive(pid) do
    assert(socket.gettime() < give_up_at, "process " .. pid .. " still runs")
    socket.select(nil, nil, 0.01)
  end
end

describe("a process of the suite", function()
  after_each(process.stop_all)

  it("is told lines, and what it prints is found", function()
    local peer = process.start { "sh", "-c", ECHO_LINES }
    assert.equal(1, peer.port)
    peer:tell "a b"
    peer:tell "it's c"
    assert.equal("it's c", peer:expect "^got (it.*)$")
    assert.same({ "got a b" }, { peer.lines[3] })
  end)

  it("is looked at without waiting", function()
    local peer = process.start { "sh", "-c", ECHO_LINES }
    assert.is_nil(peer:look "^got")
    peer:tell "a b"
    local seen
    repeat
      seen = peer:look "^got (.*)$"
    until seen
    assert.equal("a b", seen)
    assert.is_nil(peer:look "^got")
  end)

  it("has ended when stop returns", function()
    local peer = process.start { "sh", "-c", ECHO_LINES }
    local pid = peer:expect "^pid (%d+)$"
    assert.is_true(is_alive(pid))
    peer:stop()
    assert.is_false(is_alive(pid))
  end)

  it("has ended when stop returns, even if it ignores SIGTERM and a closed input", function()
    local peer = process.start { "sh", "-c", "trap '' TERM; " .. ECHO_LINES .. "; exec sleep 1000" }
    local pid = peer:expect "^pid (%d+)$"
    peer:stop()
    assert.is_false(is_alive(pid))
  end)

  it("ends when the suite is killed", function()
    local suite = process.start {
      portless = true,
      "/usr/bin/python3",
      "-c",
      [[
import os, socket, subprocess
control = socket.create_server(("127.0.0.1", 0))
command = ["sh", "-c", "echo pid $$; exec sleep 1000"]
guard = ["/usr/bin/python3", "-I", "-S", "spec/support/peers/guard.py"]
subprocess.Popen(guard + [str(control.getsockname()[1])] + command, start_new_session=True)
connection, _ = control.accept()
print(connection.makefile().readline(), flush=True)
os.kill(os.getpid(), 9)
]],
    }
    wait_until_gone((suite:expect "^pid (%d+)$"))
  end)

  it("is named together with what it printed when an awaited line does not come", function()
    local ok, message = pcall(process.start, { "sh", "-c", "echo out; echo err >&2" })
    assert.is_false(ok)
    assert.matches("sh -c echo out", message, 1, true)
    assert.matches("it ended", message, 1, true)
    assert.matches("out\nerr", message, 1, true)
  end)

  it("is said not to exist when it does not", function()
    local ok, message = pcall(process.start, { "no-such-command" })
    assert.is_false(ok)
    assert.matches("no-such-command: No such file", message, 1, true)
  end)

  it("is found on its port when it does not say which", function()
    local server = peers.start "lws_test_server"
    assert(socket.connect("127.0.0.1", server.port)):close()
  end)
end)
