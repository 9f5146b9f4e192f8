-- The table of docs/hosts/windows.md is what the row `windows` leaves out, and that is there.
local sources = require "support.sources"

local left_out = dofile "spec/support/portability/windows/left_out.lua"

describe("what is left out under wine", function()
  it("stands in docs/hosts/windows.md, line by line", function()
    local lines = {}
    for i, each in ipairs(left_out) do
      local title = each[2] and "… " .. each[2]:gsub("%%%%", "%%") .. " …" or "all"
      lines[i] = ("| %s | %s | %s |"):format(each[1]:gsub("^spec/", ""), title, each[3])
    end
    local page = sources.read "docs/hosts/windows.md"
    local _, head = page:find("| Spec | of it | why |\n| --- | --- | --- |\n", 1, true)
    assert.equal(table.concat(lines, "\n") .. "\n", page:sub(head + 1))
  end)

  for _, each in ipairs(left_out) do
    it("names a spec file: " .. each[1] .. " " .. (each[2] or ""), function()
      assert.is_string(sources.read(each[1]))
    end)
  end
end)
