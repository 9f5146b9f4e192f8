-- `wsclose serve`, and what is a program of its own around it: how it ends.

local socket = require "socket"

local serve = require "wsclose.cli.serve"

describe("an echo server", function()
  it("ends in order when the program that started it does", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local parent = assert(socket.connect("127.0.0.1", port))
    assert(listener:accept()):close()
    local told = {}
    local ended, why = serve.run(0, function(line) told[#told + 1] = line end, parent)
    parent:close()
    listener:close()
    assert.same({ true, 1 }, { ended, #told })
    assert.is_nil(why)
    assert.matches("^listening on ws://127%.0%.0%.1:%d+/$", told[1])
  end)
end)
