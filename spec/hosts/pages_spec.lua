-- The programs of docs/hosts, as they stand there: each receives, and goes on after a 1001.

local hosts = require "support.hosts"
local pages = require "support.pages"
local process = require "support.process"

local GOES_ON = "subscribes in on_open, and so again after a 1001"

local neovim = {
  "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "luafile PROGRAM",
}
-- Where print does not write to the standard output.
local PRINT = [[io.stdout:setvbuf "line" function print(...) ]]
  .. [[io.stdout:write(table.concat({ ... }, " ") .. "\n") end]]

for _, case in ipairs {
  { "cqueues", "lua5.1", puc_5_1 = true },
  { "cqueues", "lua5.4" },
  { "copas", "lua5.1", puc_5_1 = true },
  { "copas", "lua5.2" },
  { "luv", "lua5.1", puc_5_1 = true, count = 2 },
  { "luv", "lua5.4", count = 2 },
  {
    "luv", "luajit", host = neovim, count = 2, prelude = PRINT,
    without = 'require%("luv"%)%.run%(%)',
  },
} do
  local name, lua = case[1], case[2]

  describe(("the program of docs/hosts/%s.md under %s"):format(name, lua), function()
    after_each(process.stop_all)
    teardown(hosts.stop)

    it(GOES_ON, function()
      case.lua = lua
      local page = pages.start(name, case.host or { lua, "PROGRAM" }, case)
      page:comes_back("^text%s+hello$", case.count)
    end)
  end)
end
