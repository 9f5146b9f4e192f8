-- Everything that may fail does, in lives of a client from connect to close, over every route: a
-- part of what `make fail-everything` tries.

local network = require "support.network"

local function path_of(name)
  for template in package.cpath:gmatch "[^;]+" do
    local path = template:gsub("?", name)
    local file = io.open(path)
    if file then
      file:close()
      return path
    end
  end
end

local function fails(variables, arguments)
  local run = network.run(("arg = { %s }\ndofile 'spec/support/faults.lua'"):format(arguments),
    ("LD_PRELOAD=%s ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 %s"):format(
      path_of "faults", variables))
  assert(run.ok, run.output)
  return run.output
end

describe("a client whose system fails", function()
  it("tells on_close once for each attempt, gives everything back, and ends", function()
    local output = fails("", "'120', 1")
    assert.matches("120 of %d+ points", output)
  end)

  -- OpenSSL is not told of it, for the peer may still have something to say.
  it("knows at once that a record did not leave, over TLS", function()
    local output = fails("FAULTS='wss, /redirect: send EPIPE'", "'', 1, 'wss'")
    assert.matches("wss +calls", output)
    assert.is_nil(output:find("unnamed", 1, true))
  end)
end)
