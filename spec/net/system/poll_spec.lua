-- What poll says of descriptors, asked without waiting.
local core = require "wsclose.core"
local lfs = require "lfs"
local socket = require "socket"
local testing = require "wsclose.core_testing"

local watch = testing.net.watch

-- A connected pair, and its descriptors.
local function pair()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local host, port = listener:getsockname()
  local near = assert(socket.connect(host, port))
  local far = assert(listener:accept())
  listener:close()
  return near, far
end

local function close_all(...)
  for _, each in ipairs { ... } do
    each:close()
  end
end

describe("a bit of poll", function()
  for bit, ready in pairs {
    POLLIN = "r",
    POLLOUT = "w",
    POLLHUP = "rw",
    POLLERR = "rw",
    POLLNVAL = "rw",
    POLLPRI = "",
  } do
    it(("%s means %q"):format(bit, ready), function()
      assert.equal(ready, watch.meaning(bit))
    end)
  end
end)

describe("a look at descriptors", function()
  it("finds what is asked for, and that alone", function()
    local near, far = pair()
    local fd = near:getfd()
    assert.equal("", watch.look(fd, "r"))
    assert.equal("w", watch.look(fd, "w"))
    assert.equal("w", watch.look(fd, "rw"))
    far:send "a"
    assert.equal("r", watch.look(fd, "r"))
    assert.equal("w", watch.look(fd, "w"))
    assert.equal("rw", watch.look(fd, "rw"))
    assert.equal("", watch.look(fd, ""))
    close_all(near, far)
  end)

  it("keeps them in their order", function()
    local near, far = pair()
    local other, further = pair()
    further:send "a"
    assert.same({ "w", "", "r" }, {
      watch.look(near:getfd(), "w", far:getfd(), "r", other:getfd(), "r"),
    })
    close_all(near, far, other, further)
  end)

  it("takes a reset for readiness, unless nothing is asked for", function()
    local near, far = pair()
    far:setoption("linger", { on = true, timeout = 0 })
    far:close()
    for _, wanted in ipairs { "r", "w" } do
      assert.equal("rw", watch.look(near:getfd(), wanted))
    end
    assert.equal("", watch.look(near:getfd(), ""))
    near:close()
  end)

  it("takes a number that is no descriptor for ready, so that its use tells the fault", function()
    local free = 700
    assert.is_nil(lfs.attributes("/proc/self/fd/" .. free))
    assert.equal("rw", watch.look(free, "r"))
  end)

  it("at none of them finds nothing", function()
    assert.equal(0, select("#", watch.look()))
  end)
end)

describe("reading a descriptor", function()
  it("gives what is there, nothing while there is nothing, and nil at its end", function()
    local near, far = pair()
    local fd = near:getfd()
    assert.equal("", core.read(fd, 0))
    far:send "hello\0\n"
    assert.equal("hello\0\n", core.read(fd, 60))
    far:close()
    assert.is_nil(core.read(fd, 60))
    near:close()
  end)

  it("waits for another descriptor too, and takes nothing from that", function()
    local near, far = pair()
    local other, further = pair()
    further:send "kept"
    assert.equal("", core.read(near:getfd(), 60, other:getfd()))
    assert.equal("kept", (other:receive(4)))
    close_all(near, far, other, further)
  end)

  it("gives a long input piece by piece, a regular file's too", function()
    local path = os.tmpname()
    local text = ("0123456789"):rep(10000)
    local file = assert(io.open(path, "w+"))
    file:write(text)
    file:seek("set", 0)
    local fd
    for number in lfs.dir "/proc/self/fd" do
      local target = lfs.symlinkattributes("/proc/self/fd/" .. number, "target")
      fd = target == path and tonumber(number) or fd
    end
    local pieces = {}
    repeat
      local piece = core.read(fd, 60)
      pieces[#pieces + 1] = piece
    until not piece
    file:close()
    os.remove(path)
    assert.is_true(#pieces >= 4)
    assert.is_true(table.concat(pieces) == text)
  end)

  it("takes one that cannot be read for ended", function()
    assert.is_nil(core.read(700, 60))
  end)
end)
