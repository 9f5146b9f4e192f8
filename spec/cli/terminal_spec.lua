-- `wsclose URL` on a terminal, which tmux holds: typed lines, Ctrl-D, Ctrl-C, a server that starts
-- anew.  Each wait ends with what is seen; nothing depends on how fast it comes.

local command = require "support.command"
local peers = require "support.peers"
local process = require "support.process"
local socket = require "socket"

local PATIENCE = 20

local server, url, tmux, scripts

setup(function()
  server = command.serve()
  url = "ws://" .. server.address .. "/"
  scripts = {}
end)
teardown(process.stop_all)

-- tmux with a server of its own, which ends with its only window.
local function tell(...)
  local words = { "tmux", "-S", tmux, "-f", "/dev/null", ... }
  return command.shell(command.quoted(words))
end

local function screen()
  return (tell("capture-pane", "-p", "-J").out:gsub("%s+\n", "\n"))
end

local function expect(text)
  local give_up_at, seen = socket.gettime() + PATIENCE, screen()
  while not seen:find(text, 1, true) do
    if socket.gettime() > give_up_at then error(("no %q on:\n%s"):format(text, seen), 2) end
    socket.select(nil, nil, 0.02)
    seen = screen()
  end
end

local function send(...) tell("send-keys", ...) end

-- Starts it with these words; behind it its status is shown.
local function start(words, editing)
  local script = os.tmpname()
  scripts[#scripts + 1] = script
  local file = assert(io.open(script, "w"))
  file:write "trap : INT\n" -- Ctrl-C is for all that run on the terminal; this one stays
  if not editing then file:write "WSCLOSE_EDITING=0; export WSCLOSE_EDITING\n" end
  file:write(command.quoted(command.words(words)), '; echo "status $?"; read end\n')
  file:close()
  tmux = os.tmpname()
  os.remove(tmux)
  tell("new-session", "-d", "-x", "200", "-y", "40", "sh " .. script)
end

after_each(function()
  tell "kill-server"
  for _, path in ipairs(scripts) do os.remove(path) end
  scripts = {}
  os.remove(tmux)
end)

describe("on a terminal", function()
  it("typed lines are sent and answers shown; Ctrl-D closes in order", function()
    start { url }
    expect("wsclose: connected to " .. url)
    send("hello", "Enter")
    expect "< hello"
    send("again", "Enter")
    expect "< again"
    send "C-d"
    expect "closed by this client: 1000 NORMAL"
    expect "status 0"
  end)

  it("what would steer it is shown as text", function()
    start { "--exec", "\27[2Jred \194\155 text", "--one", url }
    expect "< \\x1b[2Jred \\x9b text"
  end)

  it("Ctrl-C tells the server that it goes away, at any moment", function()
    start { url }
    expect "connected to"
    send "C-c"
    expect "status 130"
    server:expect "^got Close 1001"
  end)

  it("Ctrl-C ends it too while it waits for a server", function()
    start { "--retry", "ws://127.0.0.1:1/" }
    expect "next attempt in"
    send "C-c"
    expect "status 130"
  end)

  it("a server that starts anew is met again with --retry, and what is typed goes on", function()
    local peer = peers.start "websockets"
    start { "--retry", "--max-delay", "0.05", ("ws://127.0.0.1:%d/"):format(peer.port) }
    expect "connected to"
    send("before", "Enter")
    expect "< before"
    peer:tell "restart for an update"
    peer:expect "^RESTARTED"
    expect 'closed by the peer: 1001 GOING_AWAY "for an update"'
    expect "next attempt in"
    send("after", "Enter")
    expect "< after"
    send "C-d"
    expect "status 0"
  end)

  it("lines can be edited and recalled under rlwrap", function()
    start({ url }, true)
    expect "connected to"
    send("hellp", "BSpace", "o", "Enter")
    expect "< hello"
    send("Up", "!", "Enter")
    expect "< hello!"
    send "C-d"
    expect "status 0"
  end)

  it("Ctrl-C under rlwrap is told to the server as well", function()
    start({ url }, true)
    expect "connected to"
    send "C-c"
    expect "status 130"
    server:expect "^got Close 1001"
  end)
end)
