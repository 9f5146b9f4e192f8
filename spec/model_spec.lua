-- spec/model/closing.pml has the rules of the end under the names of the functions that hold them:
-- each of them is there, in the file that the model says.  `make model` tries them.

local sources = require "support.sources"

-- Rules by file: "name", in the order of the model.
local function rules()
  local list, path = {}, nil
  for line in sources.read("spec/model/closing.pml"):gmatch "[^\n]+" do
    local section = line:match "^/%* %-+ (.+) %*/$"
    if section then path = section:match "^src/[%w_/]+%.c$" end
    local name = line:match "^inline ([%w_]+)%("
    if path and name then list[#list + 1] = { path = path, name = name } end
  end
  return list
end

describe("a rule of the closing handshake's model", function()
  it("is read from there, with its file", function()
    assert.is_true(#rules() > 40, #rules())
  end)

  for _, rule in ipairs(rules()) do
    it(("%s stands in %s"):format(rule.name, rule.path), function()
      local pattern = "\n[%w_ *]*[ *]" .. rule.name .. "%([^;{]*%) {"
      local there = sources.read(rule.path):find(pattern)
      assert.truthy(there, "no such function: does the model's rule hold?")
    end)
  end
end)
