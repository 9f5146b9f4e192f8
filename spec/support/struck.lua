--- Spec files that run in an interpreter of their own, whose system fails on demand (faults.c):
--- those of spec/support/struck. There they have the module "faults".
--
--     it("…", function() struck.run "openssl" end)

local network = require "support.network"

local struck = {}

--- Where the module lies that is to be preloaded.
---@return string path
function struck.library()
  for template in package.cpath:gmatch "[^;]+" do
    local path = template:gsub("?", "faults")
    local file = io.open(path)
    if file then
      file:close()
      return path
    end
  end
  error("there is no faults.so: make modules", 2)
end

--- Runs a Lua text with it.
---@param code string
---@param variables? string of its environment, "NAME=value …"
---@return string output it ended well
function struck.play(code, variables)
  local run = network.run(code, ("LD_PRELOAD=%s ASAN_OPTIONS=%s %s"):format(struck.library(),
    "detect_leaks=0:verify_asan_link_order=0", variables or ""))
  assert(run.ok, run.output)
  return run.output
end

--- Runs all specs of a file, each of which has to pass.
---@param name string
function struck.run(name)
  local arguments = ('{ "--output=plainTerminal", "spec/support/struck/%s.lua" }'):format(name)
  struck.play('require "faults"\narg = ' .. arguments .. '\ndofile "spec/run.lua"')
end

return struck
