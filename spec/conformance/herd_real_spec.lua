-- The program of make herd-real with few clients and short times: a server that we did not write
-- goes away, and all come back to one that takes a few at a time.  Its figures are no matter here.

local network = require "support.network"
local peers = require "support.peers"

describe("the real herd", function()
  it("comes back, and is shown beside the simulated one", function()
    peers.all.ws.build()
    local result = network.run [[
      arg = { "100", "0.2", "0.5", "0.02" }
      dofile "bench/herd/real/run.lua"
    ]]
    assert.is_true(result.ok, result.output)
    for _, name in ipairs { "wsclose", "wsclose, fleet" } do
      for _, side in ipairs { "real", "simulated" } do
        local row = ("| %s | %s |"):format(name, side):gsub("%p", "%%%0")
        local figures = result.output:match(row .. "([^\n]*)")
        -- each second's attempts are counted, and each client was refused while nobody listened
        assert.matches("^ [%d.]+× | [%d.]+ | [%d.]+ | [%d.]+ | [%d.]+ | [%d.]+ |$", figures)
      end
    end
  end)
end)
