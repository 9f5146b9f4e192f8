-- Everything that may fail does, in lives of a client from connect to close, over every route: a
-- part of what `make fail-everything` tries.

local struck = require "support.struck"

local function fails(variables, arguments)
  local code = "arg = { %s }\ndofile 'spec/support/faults.lua'"
  return struck.play(code:format(arguments), variables)
end

describe("a client whose system fails", function()
  it("tells on_close once for each attempt, gives everything back, and ends", function()
    local output = fails("", "'120', 1")
    assert.matches("120 points in", output)
  end)

  -- OpenSSL is not told of it, for the peer may still have something to say.
  it("knows at once that a record did not leave, over TLS", function()
    local output = fails("FAULTS='wss, /redirect: send EPIPE'", "'', 1, 'wss'")
    assert.matches("wss +calls", output)
    assert.is_nil(output:find("unnamed", 1, true))
  end)

  for name, why in pairs {
    openssl = "each call of OpenSSL that may fail ends an attempt in its own sentence",
    system = "each system call that fails is told in its own sentence, or does no harm",
  } do
    it(why .. ": spec/support/struck/" .. name .. ".lua", function()
      struck.run(name)
    end)
  end

  it("is not loaded at all where OpenSSL has no SHA-1", function()
    local output = struck.play [[
      local faults = require "faults"
      local function pages()
        local file = assert(io.open "/proc/self/statm")
        local count = file:read "*n"
        file:close()
        return count
      end
      faults.arm("EVP_MD_fetch", 1, faults.fails, true)
      local ok, why = pcall(require, "wsclose.core")
      local before = pages()
      for _ = 1, 1000 do pcall(require, "wsclose.core") end
      faults.disarm()
      print(ok, why)
      print(pages() - before < 500) -- each has a page for its random bytes
    ]]
    assert.matches("^false\t.*memory.*\ntrue\n$", output)
  end)
end)
