-- The programs of docs/hosts for several Luas, as they stand there; other hosts have theirs in
-- their own specs.

local hosts = require "support.hosts"
local pages = require "support.pages"
local process = require "support.process"

local neovim = {
  "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "luafile {}",
}
-- Where print does not write to the standard output.
local PRINT = [[io.stdout:setvbuf "line" function print(...) ]]
  .. [[io.stdout:write(table.concat({ ... }, " ") .. "\n") end]]

for _, case in ipairs {
  { "cqueues", "lua5.1", puc_5_1 = true },
  { "cqueues", "lua5.4" },
  { "copas", "lua5.1", puc_5_1 = true },
  { "copas", "lua5.2" },
  { "poll", "lua5.4" },
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

    it(pages.promise, function()
      case.lua = lua
      local page = pages.start(name, case.host or { lua, "{}" }, case)
      page:comes_back("^text%s+hello$", case.count)
    end)
  end)
end
