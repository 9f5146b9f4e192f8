-- The table of docs/hosts/README.md: every cell names a spec that is there, every page and every
-- spec of a host has its row.

local sources = require "support.sources"

local FOLDER = "docs/hosts/"

-- What they hold is true of every client, and sets no host apart.
local OF_EVERY_CLIENT = {
  ["openresty_scenes_spec.lua"] = true, ["openresty_proxy_spec.lua"] = true,
}

-- The full titles of a spec file, which runs but for what its `it` and `setup` hold.
local function titles_of(path)
  local titles, outer = {}, {}
  local function nothing() end
  local env = setmetatable({
    before_each = nothing, after_each = nothing, setup = nothing, teardown = nothing,
    lazy_setup = nothing, lazy_teardown = nothing,
  }, { __index = _G })
  function env.describe(title, body)
    outer[#outer + 1] = title
    body()
    outer[#outer] = nil
  end
  function env.it(title)
    titles[#titles + 1] = table.concat(outer, " ") .. " " .. title
  end
  local load_text = rawget(_G, "loadstring") or load
  local chunk = assert(load_text(sources.read(path), "=" .. path, "t", env))
  if setfenv then setfenv(chunk, env) end
  chunk()
  return titles
end

-- Do the words stand in the title, in their order?  Between them is "…".
local function names(title, words)
  local from = 1
  for part in (words .. " … "):gmatch "(.-) … " do
    local _, last = title:find(part, from, true)
    if not last then return false end
    from = last + 1
  end
  return true
end

local function is_there(path, words)
  for _, title in ipairs(titles_of(path)) do
    if names(title, words) then return true end
  end
  return false
end

-- The rows below the head, each a list of cells.
local function rows()
  local list = {}
  local body = sources.read(FOLDER .. "README.md"):match "\n| %-%-%-[^\n]*\n(.-)\n\n"
  for line in body:gmatch "[^\n]+" do
    local cells = {}
    for cell in line:gmatch "| ([^|]-) %f[|]" do cells[#cells + 1] = cell end
    list[#list + 1] = cells
  end
  return list
end

describe("the table of hosts", function()
  local FIRST_CLAIM = 4 -- behind host, module and page

  for _, cells in ipairs(rows()) do
    it("has a spec for each claim about " .. cells[1], function()
      assert.equal(10, #cells)
      for i = FIRST_CLAIM, #cells do
        if cells[i] ~= "—" then
          local path, words = cells[i]:match '^%[.+%]%(%.%./%.%./(spec/[%w/_]+_spec%.lua) "(.+)"%)$'
          assert(path, "no spec in " .. cells[i])
          assert(is_there(path, words), ("%s has no spec %q"):format(path, words))
        end
      end
    end)
  end

  it("has all pages and all specs", function()
    local text, missing = "", {}
    for _, cells in ipairs(rows()) do text = text .. table.concat(cells) end
    for _, name in ipairs(sources.list("docs/hosts", "%.md$")) do
      local no_host = name == "README.md" or name == "windows.md"
      if not no_host and not text:find("](" .. name .. ")", 1, true) then
        missing[#missing + 1] = name
      end
    end
    for _, name in ipairs(sources.list("spec/hosts", "_spec%.lua$")) do
      local in_table = text:find("/spec/hosts/" .. name, 1, true)
      if not in_table and not OF_EVERY_CLIENT[name] then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)

  it("finds no title that is not there", function()
    assert.is_true(is_there("spec/hosts/poll_spec.lua", "a select … 1001 when the host ends"))
    assert.is_false(is_there("spec/hosts/poll_spec.lua", "1001 when the host ends … a select"))
    assert.is_false(is_there("spec/hosts/poll_spec.lua", "waits in fibers"))
  end)
end)
