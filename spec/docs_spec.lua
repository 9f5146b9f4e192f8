-- The documentation says what is there: every name, every block of code, every link.

local client = require "wsclose.client"
local core = require "wsclose.core"
local documents = require "support.documents"
local options = require "wsclose.options"
local process = require "support.process"
local sources = require "support.sources"
local wsclose = require "wsclose"

local PATIENCE = 10
local BUILD = os.getenv "WSCLOSE_BUILD" or "build"
local ECHO = "127.0.0.1:9001" -- what the documents call the echo server

local paths = { "README.md", "CONTRIBUTING.md", "SECURITY.md" }
for _, name in ipairs(sources.list("docs", "%.md$")) do
  paths[#paths + 1] = "docs/" .. name
end

local api = sources.read "docs/api.md"

-- ---------------------------------------------------------------- reading Markdown

local function each_block(language, visit)
  for _, document in ipairs(paths) do
    for _, block in ipairs(documents.blocks(sources.read(document), language)) do
      visit(document, block)
    end
  end
end

local function without_blocks(text)
  return (("\n" .. text):gsub("\n```.-\n```", ""))
end

-- What stands below a heading, up to the next one.
local function section(text, heading)
  local _, first = ("\n" .. text .. "\n"):find("\n#+ " .. heading:gsub("%p", "%%%0") .. "\n")
  assert(first, "no heading " .. heading)
  return ((text .. "\n"):sub(first - 1):match "^(.-)\n#") or text:sub(first - 1)
end

-- Every word of every span of code.
local function words_in_code(text)
  local words = {}
  for span in without_blocks(text):gmatch "`([^`]+)`" do
    for word in span:gmatch "[%a_][%w_]*" do words[word] = true end
  end
  return words
end

-- The first cells of a section's tables; a section without a table as it is.
local function listed(text)
  local cells = {}
  for cell in ("\n" .. without_blocks(text)):gmatch "\n| ([^|]*) |" do cells[#cells + 1] = cell end
  return #cells > 0 and table.concat(cells, "\n") or text
end

local function assert_all(text, names, where)
  local words, missing = words_in_code(text), {}
  for _, name in ipairs(names) do
    if not words[name] then missing[#missing + 1] = name end
  end
  assert(#names > 0, "nothing to look for in " .. where)
  assert.same({}, missing, where .. " lacks these")
end

local function assert_calls(names, prefix)
  local missing = {}
  for _, name in ipairs(names) do
    local call = prefix .. name
    if not api:find("`" .. call .. "[(`]") then missing[#missing + 1] = call end
  end
  assert(#names > 0)
  assert.same({}, missing, "docs/api.md lacks these")
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

-- ---------------------------------------------------------------- what is there

-- All words of a source file: among them all names it knows.
local function candidates(path)
  local seen, list = {}, {}
  for word in sources.read(path):gmatch "[%a_][%w_]*" do
    if not seen[word] then list[#list + 1] = word end
    seen[word] = true
  end
  return list
end

local option_words = candidates "lua/wsclose/options.lua"

-- The names that the options take, at the top or where `wrap` puts them.
local function accepted(wrap)
  local names = {}
  for _, word in ipairs(option_words) do
    local settings, sentence = options.read(wrap { [word] = coroutine.create(function() end) })
    if settings or not sentence:find "^unknown option" then names[#names + 1] = word end
  end
  return names
end

local function in_group(group)
  return function(fields) return { [group] = fields } end
end

local function callbacks()
  local names = {}
  for _, word in ipairs(option_words) do
    local settings, read = options.read { [word] = function() end }
    if settings and read[word] then names[#names + 1] = word end
  end
  return names
end

local function functions_of(object)
  local names = {}
  for name, value in pairs(object) do
    if type(value) == "function" and not name:find "^_" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function fields_of(path, class)
  local text = sources.read(path)
  local _, first = text:find("%-%-%-@class " .. class:gsub("%p", "%%%0") .. "%f[%s][^\n]*\n")
  local names = {}
  for line in documents.each_line(text:sub(assert(first, class) + 1)) do
    local name = line:match "^%-%-%-@field ([%a_][%w_]*)"
    if not name then break end
    names[#names + 1] = name
  end
  return names
end

describe("docs/api.md", function()
  it("has every option", function()
    local names = accepted(function(fields) return fields end)
    assert_all(listed(section(api, "Options")), names, "Options")
  end)

  for _, group in ipairs { "timeouts", "keepalive", "limits", "tls", "outbox" } do
    it("has every option of " .. group, function()
      assert_all(listed(section(api, group)), accepted(in_group(group)), group)
    end)
  end

  it("has every function of the module", function()
    assert_calls(functions_of(wsclose), "wsclose.")
  end)

  it("has every method of a client and of a writer", function()
    assert_calls(functions_of(client.Client), "ws:")
    local made = wsclose.protocol("ws://feed.example/"):send_fragments()
    assert_calls(functions_of(getmetatable(made).__index), "w:")
  end)

  it("has every method of a group", function()
    assert_calls(functions_of(getmetatable(wsclose.group()).__index), "group:")
  end)

  it("has every method of a protocol object", function()
    assert_calls(functions_of(core.protocol_methods), "p:")
  end)

  it("has every callback", function()
    assert_all(listed(section(api, "Callbacks")), callbacks(), "Callbacks")
  end)

  it("has every error name", function()
    local array = sources.read("src/core/codes.c"):match "error_names%[%] = {(.-)};"
    local names = {}
    for name in array:gmatch '"([%l_]+)"' do names[#names + 1] = name end
    assert_all(section(api, "Error names"), names, "Error names")
  end)

  it("has every phase", function()
    local array = sources.read("src/core/codes.c"):match "phase_names%[%] = {(.-)};"
    local names = {}
    for name in array:gmatch '"([%l_]+)"' do names[#names + 1] = name end
    assert_all(section(api, "The info of on_close"), names, "The info of on_close")
    assert_all(section(api, "What info() and stats() give"), names, "What info() … give")
  end)

  it("has every state", function()
    local text = sources.read "lua/wsclose/client.lua"
    local annotation = text:match "%-%-%-@return (%S+)\nfunction Client:state"
    local names = {}
    for name in annotation:gmatch '"(%l+)"' do names[#names + 1] = name end
    assert_all(listed(section(api, "States")), names, "States")
  end)

  for _, case in ipairs {
    { "wsclose.CloseInfo", "lua/wsclose/close_info.lua", "The info of on_close" },
    { "wsclose.CloseError", "lua/wsclose/close_info.lua", "The info of on_close" },
    { "wsclose.Refusal", "lua/wsclose/close_info.lua", "The info of on_close" },
    { "wsclose.Info", "lua/wsclose/client_info.lua", "What info() and stats() give" },
    { "wsclose.Frame", "lua/wsclose/client.lua", "Callbacks" },
    { "wsclose.CloseCode", "lua/wsclose/close_codes.lua", "The module" },
  } do
    it("has every field of " .. case[1], function()
      assert_all(section(api, case[3]), fields_of(case[2], case[1]), case[3])
    end)
  end

  it("has every counter of stats", function()
    local names = { "rtt" }
    for name in pairs(wsclose.new("ws://feed.example/"):stats()) do names[#names + 1] = name end
    assert_all(section(api, "What info() and stats() give"), names, "stats")
  end)
end)

-- What lua-language-server completes and checks.
describe("the annotations", function()
  local OPTIONS = "lua/wsclose/options.lua"

  for class, wrap in pairs {
    Options = function(fields) return fields end, Timeouts = in_group "timeouts",
    Keepalive = in_group "keepalive", Limits = in_group "limits", Outbox = in_group "outbox",
    Tls = in_group "tls",
  } do
    it("have every option in wsclose." .. class, function()
      local annotated, missing = {}, {}
      for _, name in ipairs(fields_of(OPTIONS, "wsclose." .. class)) do annotated[name] = true end
      for _, name in ipairs(accepted(wrap)) do
        if not annotated[name] then missing[#missing + 1] = name end
      end
      assert.same({}, missing)
    end)
  end
end)

describe("docs/extensions.md", function()
  it("has every option of permessage-deflate", function()
    local names = accepted(function(fields)
      return { extensions = { ["permessage-deflate"] = fields } }
    end)
    for i = #names, 1, -1 do
      if names[i] == "name" then table.remove(names, i) end -- in a list of extensions only
    end
    assert_all(listed(section(sources.read "docs/extensions.md", "Options")), names, "Options")
  end)
end)

describe("docs/retry.md", function()
  it("has every option of the policy", function()
    local names = fields_of("lua/wsclose/retry_options.lua", "wsclose.RetryOptions")
    assert_all(listed(section(sources.read "docs/retry.md", "Defaults")), names, "Defaults")
  end)
end)

-- ---------------------------------------------------------------- blocks of code

describe("a block of Lua", function()
  each_block("lua", function(document, block)
    it(("in %s, line %d, compiles"):format(document, block.line), function()
      documents.compile(document, block)
    end)
  end)
end)

local function interpreter()
  local given = rawget(_G, "arg")
  local i = 0
  while given[i - 1] do i = i - 1 end
  return given[i]
end

local function start_echo_server()
  local server = process.start {
    "env", "-u", "LUA_PATH_5_2", "-u", "LUA_PATH_5_3", "-u", "LUA_PATH_5_4",
    "-u", "LUA_CPATH_5_2", "-u", "LUA_CPATH_5_3", "-u", "LUA_CPATH_5_4",
    "LUA_PATH=" .. package.path, "LUA_CPATH=" .. package.cpath,
    interpreter(), "examples/echo_server.lua", "0",
    portless = true,
  }
  return server, (server:expect "ws://(127%.0%.0%.1:%d+)/")
end

local function may_run(block)
  return block.mark == "run" or block.mark == "run: ws"
end

describe("a block that may be run", function()
  local address, server

  lazy_setup(function()
    server, address = start_echo_server()
  end)

  lazy_teardown(process.stop_all)

  local function run(document, block)
    local text = block.text:gsub(ECHO, address)
    local env, printed = documents.environment { wsclose = wsclose }
    if block.mark == "run: ws" then env.ws = assert(wsclose.connect("ws://" .. address .. "/")) end
    documents.compile(document, block, text, env)()
    if env.ws then
      env.ws:close()
      assert(env.ws:run(PATIENCE), "it does not close")
    end
    documents.assert_printed(text, printed)
  end

  each_block("lua", function(document, block)
    if not may_run(block) then return end
    it(("in %s, line %d, prints what it says"):format(document, block.line), function()
      run(document, block)
    end)
  end)

  it("is to be found", function()
    local count = 0
    each_block("lua", function(_, block) count = count + (may_run(block) and 1 or 0) end)
    assert.is_true(count >= 10)
  end)

  it("ends with the words that the echo server prints", function()
    assert(wsclose.new("ws://" .. address .. "/plain", {
      extensions = { ["permessage-deflate"] = { required = true } },
    })):run(PATIENCE)
    local line = server:expect "^got Close 1010.*$"
    assert.is_truthy(sources.read("docs/extensions.md"):find("\n" .. line .. "\n", 1, true))
  end)

  -- By the command that compiled the objects, so that sanitized ones link; no shared object.
  local function output_of_c(program)
    local path = os.tmpname()
    local file = assert(io.open(path .. ".c", "w"))
    file:write(program, "\n")
    file:close()
    local objects = {}
    for _, name in ipairs(sources.list(BUILD .. "/obj", "%.o$")) do
      local source = "src/" .. name:gsub("%.o$", ".c")
      if exists(source) then objects[#objects + 1] = BUILD .. "/obj/" .. name end
    end
    local words = { "$(cat", BUILD .. "/command)", "-Werror", "@" .. BUILD .. "/cflags", "-o", path,
      path .. ".c", table.concat(objects, " "), "$(sed", "'s/-shared//;s/-Wl,-z,nodelete//'",
      BUILD .. "/ldflags)", "&&", path, "ws://" .. address .. "/", "2>&1" }
    local pipe = io.popen("{ " .. table.concat(words, " ") .. "; } 2>&1")
    local output = pipe:read "*a"
    pipe:close()
    os.remove(path)
    os.remove(path .. ".c")
    return output
  end

  it("in C compiles without a warning and prints what docs/c-api.md says", function()
    local program, count = nil, 0
    for _, block in ipairs(documents.blocks(sources.read "docs/c-api.md")) do
      if block.language == "c" then program = block.text end
      if block.language == "" and program then
        assert.equal(block.text .. "\n", output_of_c(program))
        program, count = nil, count + 1
      end
    end
    assert.equal(2, count)
    assert.is_nil(program)
  end)
end)

-- ---------------------------------------------------------------- links

-- The anchors that GitHub makes of headings, and those written out.
local function anchors_of(text)
  local anchors = {}
  for line in documents.each_line(without_blocks(text)) do
    local heading = line:match "^#+ (.*)$"
    if heading then
      anchors[heading:lower():gsub("[%p]", function(sign)
        return (sign == "-" or sign == "_") and sign or ""
      end):gsub(" ", "-")] = true
    end
    for id in line:gmatch '<a id="([^"]+)">' do anchors[id] = true end
  end
  return anchors
end

-- "docs/hosts/" and "../../src/x.h" make "src/x.h".
local function joined(folder, path)
  path = folder .. path
  local count
  repeat
    path, count = path:gsub("[^/]+/%.%./", "", 1)
  until count == 0
  return path
end

describe("a link", function()
  for _, document in ipairs(paths) do
    it("in " .. document .. " leads to a file that is there, and to a heading in it", function()
      local text, broken = sources.read(document), {}
      for target in without_blocks(text):gmatch "%]%(([^)%s]+)%)" do
        if not target:find "^%a[%w+.-]*:" then
          local path, anchor = target:match "^([^#]*)#?(.*)$"
          local file = path == "" and document or joined(document:match "^.*/" or "", path)
          local good = exists(file)
          if good and anchor ~= "" then good = anchors_of(sources.read(file))[anchor] end
          if not good then broken[#broken + 1] = target end
        end
      end
      assert.same({}, broken)
    end)
  end
end)
