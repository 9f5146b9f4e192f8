-- The rules of the layout: who may include whom, what the core may need, how long things may be.
local sources = require "support.sources"

local function set(words)
  local members = {}
  for word in words:gmatch "%S+" do
    members[word] = true
  end
  return members
end

local core_order = {
  "hidden", "printf_like", "buf", "cpu", "ascii", "slice", "mask", "utf8", "codes", "frame", "http",
  "ip", "uri", "proxy", "tunnel", "extension", "deflate", "handshake", "message", "send_queue",
  "conn",
}

local core_headers = [[assert limits stdalign stdarg stdbool stddef stdint stdio string
  arm_neon emmintrin immintrin tmmintrin smmintrin nmmintrin]]

-- What the compiled core may ask of libc, and what compilers make of it by themselves.
local core_symbols = [[memcpy memmove memcmp memset memchr strlen strcmp snprintf vsnprintf
  __assert_fail strspn bcmp strchr _GLOBAL_OFFSET_TABLE_ __stack_chk_fail __memcpy_chk
  __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk __cpu_model __cpu_indicator_init]]

-- Without inflateGetDictionary and inflateSetDictionary: the window is never copied.
local zlib_symbols = [[deflate deflateInit2_ deflateEnd deflateReset deflateBound
  inflate inflateInit2_ inflateEnd inflateReset inflateResetKeep]]

-- The folders of net, from the lowest floor up; those of one floor do not know each other.
local net_floors = { "", "system", "posix windows", "proxy tls", "reach" }

-- What stands on the lowest floor of src/net itself; the rest of it is the roof.
local net_base = set "stream alarms"

-- The files for a host, and what each may require of it.
local adapters = {
  openresty = set "ngx resty",
  openresty_dial = set "ngx",
  openresty_tls = set "ngx ffi",
  luv = set "luv uv",
  cqueues = set "cqueues",
  copas = set "copas socket",
  love = set "love",
  serve = set "socket",
}

local function stem_of(path)
  return (path:match "([^/]+)%.%w+$")
end

-- Where a core file stands: the longest name of the order that its own name begins with, so that
-- handshake_server.c is a part of handshake.
local function rank_of(path)
  local stem, best, rank = stem_of(path), "", nil
  for index, name in ipairs(core_order) do
    if (stem == name or stem:sub(1, #name + 1) == name .. "_") and #name > #best then
      best, rank = name, index
    end
  end
  return rank
end

-- The floor of a file of net, and its room there.
local function place_in_net(path)
  local room = path:match "^(.*)/" or ""
  if room == "" then
    return net_base[stem_of(path)] and 1 or #net_floors + 1, ""
  end
  for floor, rooms in ipairs(net_floors) do
    if set(rooms)[room] then
      return floor, room
    end
  end
end

local function each_include(folder, visit)
  for _, file in ipairs(sources.list("src/" .. folder, "%.[ch]$")) do
    for _, include in ipairs(sources.includes(sources.read("src/" .. folder .. "/" .. file))) do
      visit(file, include)
    end
  end
end

-- Lists what breaks a rule, so that a failure shows all of it.
local function breaches(folder, allowed)
  local found = {}
  each_include(folder, function(file, include)
    if not allowed(file, include) then
      found[#found + 1] = folder .. "/" .. file .. " includes " .. include.name
    end
  end)
  return found
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

describe("includes", function()
  it("are found with and without blanks, in angle brackets and in quotes", function()
    assert.same({ { name = "a.h", system = true }, { name = "b/c.h", system = false } },
      sources.includes "#include <a.h>\nint x;\n #  include \"b/c.h\"\n")
  end)

  it("of the core go leftwards only: buf cpu mask utf8 … conn", function()
    assert.same({}, breaches("core", function(file, include)
      if include.system or include.name == "wsclose.h" then
        return true
      end
      local own, other = rank_of(file), rank_of(include.name)
      return exists("src/core/" .. include.name) and own and other and other <= own
    end))
  end)

  it("of the core name no system header but a few, and zlib only in deflate", function()
    local allowed = set(core_headers)
    assert.same({}, breaches("core", function(file, include)
      return not include.system
        or allowed[stem_of(include.name)]
        or include.name == "zlib.h" and stem_of(file):match "^deflate"
    end))
  end)

  it("name a header of their own folder alone, any other from src on", function()
    assert.same({}, breaches("", function(file, include)
      local folder = file:match "^(.*/)" or ""
      return include.system or include.name == "wsclose.h"
        or include.name:match "/" and exists("src/" .. include.name)
          and include.name:match "^(.*/)" ~= folder
        or not include.name:match "/" and exists("src/" .. folder .. include.name)
    end))
  end)

  it("of each C file end with hidden.h: no flag is needed to keep its names inside", function()
    local found = {}
    for _, file in ipairs(sources.list("src", "%.c$")) do
      local text = sources.read("src/" .. file)
      local includes = sources.includes(text)
      local _, times = text:gsub('#include "[%w/]*hidden%.h"\n', "")
      if times ~= 1 or not includes[#includes].name:match "hidden%.h$" then
        found[#found + 1] = file
      end
    end
    assert.same({}, found)
  end)

  it("of net never go up to the binding, nor to Lua or zlib", function()
    assert.same({}, breaches("net", function(_, include)
      return not include.name:match "^l?ua" and not include.name:match "^lauxlib"
        and not include.name:match "binding/" and not include.name:match "^zlib"
    end))
  end)

  it("of net go down only: client -> reach -> proxy, tls -> posix -> system -> stream", function()
    assert.same({}, breaches("net", function(file, include)
      local name = include.name:match "^net/(.*)"
      local foreign = not name and (include.name:match "/" or include.name == "wsclose.h")
      if include.system or foreign then
        return true
      end
      local floor, room = place_in_net(file)
      local below, other = place_in_net(name or (room .. "/" .. include.name):gsub("^/", ""))
      return file:match "^absent/" or floor and below and (below < floor or room == other)
    end))
  end)

  it("of OpenSSL stand in net/tls and net/posix/random only", function()
    for _, folder in ipairs { "core", "net", "binding" } do
      assert.same({}, breaches(folder, function(file, include)
        return not include.name:match "^openssl/"
          or folder == "net" and (file:match "^tls/" or file:match "random%.c$")
      end))
    end
  end)

  it("of zlib do not stand in the binding", function()
    assert.same({}, breaches("binding", function(_, include)
      return not include.name:match "^zlib"
    end))
  end)

  it("of wsclose.h are the standard's own", function()
    local allowed = set "stdbool stddef stdint"
    assert.same({}, breaches("", function(file, include)
      return file ~= "wsclose.h" or include.system and allowed[stem_of(include.name)]
    end))
  end)
end)

-- MSVC does not know them: where they stand, a test for the compiler stands in front.
describe("words of gcc's own", function()
  it("stand in few files", function()
    local files = {}
    for _, file in ipairs(sources.list("src", "%.[ch]$")) do
      local text = sources.read("src/" .. file)
      local known = text:find "__attribute__" or text:find "__builtin_"
      if known or text:find "%f[%w_]typeof%f[^%w_]" then files[#files + 1] = file end
    end
    assert.same({
      "binding/lua_module.c", "core/cpu.h", "core/mask.c", "core/printf_like.h", "core/utf8.c",
      "core/utf8_range.c",
    }, files)
  end)
end)

describe("the compiled core", function()
  local build = os.getenv "WSCLOSE_BUILD" or "build"

  it("needs nothing from outside but memory and string functions, and zlib in deflate", function()
    local allowed, zlib, foreign = set(core_symbols), set(zlib_symbols), {}
    for _, file in ipairs(sources.list("src/core", "%.c$")) do
      local object = file:gsub("c$", "o")
      assert.is_truthy(exists(build .. "/obj/core/" .. object))
      for _, symbol in ipairs(sources.undefined_symbols(build .. "/obj/core/" .. object)) do
        local instrumented = symbol:match "^__asan_" or symbol:match "^__ubsan_"
          or symbol:match "^__gcov_"
        local of_deflate = object:match "^deflate" and zlib[symbol]
        if not (symbol:match "^wsc_" or allowed[symbol] or instrumented or of_deflate) then
          foreign[#foreign + 1] = object .. " needs " .. symbol
        end
      end
    end
    assert.same({}, foreign)
  end)

  it("is where nm finds the symbols it should", function()
    local symbols = {}
    for _, symbol in ipairs(sources.undefined_symbols(build .. "/obj/core/deflate.o")) do
      symbols[symbol] = true
    end
    assert.is_true(symbols.inflate and symbols.deflate)
  end)
end)

describe("functions", function()
  local example = table.concat({
    "static const int table[] = {",
    "  1,",
    "};",
    "int short_one(int a) { return a; }",
    "/* no_function(void) {",
    "}*/",
    "static bool",
    "long_one(const char *text,",
    "         int n) {",
    '  puts("}");',
    "}",
  }, "\n")

  it("are found by the scanner, with their lengths", function()
    assert.same({
      { name = "short_one", line = 4, lines = 1, static = false },
      { name = "long_one", line = 7, lines = 5, static = true },
    }, sources.functions(example))
    assert.same({ "table" }, sources.statics(example))
  end)

  it("are short: none over 70 lines, a tenth over 25 at most, a median of at most 12", function()
    local lengths, long = {}, {}
    for _, file in ipairs(sources.list("src", "%.[ch]$")) do
      for _, found in ipairs(sources.functions(sources.read("src/" .. file))) do
        lengths[#lengths + 1] = found.lines
        if found.lines > 70 then
          long[#long + 1] = ("%s:%d %s %d lines"):format(file, found.line, found.name, found.lines)
        end
      end
    end
    assert.same({}, long)
    table.sort(lengths)
    assert.is_true(lengths[math.ceil(#lengths * 0.9)] <= 25)
    assert.is_true(lengths[math.ceil(#lengths * 0.5)] <= 12)
  end)
end)

describe("files", function()
  it("in C have about 300 lines, conn.c up to 450", function()
    local long = {}
    for _, file in ipairs(sources.list("src", "%.c$")) do
      local _, lines = sources.read("src/" .. file):gsub("\n", "")
      if lines > (file == "core/conn.c" and 450 or 400) then
        long[#long + 1] = file .. ": " .. lines .. " lines"
      end
    end
    assert.same({}, long)
  end)

  it("in C have names of their own, so that their objects may stand in one folder", function()
    local owner, twice = {}, {}
    for _, file in ipairs(sources.list("src", "%.c$")) do
      local stem = stem_of(file)
      if not file:match "absent/" and not file:match "windows/" then
        twice[#twice + 1] = owner[stem] and owner[stem] .. " and " .. file
        owner[stem] = file
      end
    end
    assert.same({}, twice)
  end)

  it("name no static twice, so that they can become one file", function()
    local owner, twice = {}, {}
    for _, file in ipairs(sources.list("src", "%.[ch]$")) do
      -- in the place of another
      local absent = file:match "absent/" or file:match "windows/"
      local names = absent and {} or sources.statics(sources.read("src/" .. file))
      for _, name in ipairs(names) do
        if owner[name] and owner[name] ~= file then
          twice[#twice + 1] = name .. " in " .. owner[name] .. " and " .. file
        end
        owner[name] = file
      end
    end
    assert.same({}, twice)
  end)
end)

describe("Lua modules", function()
  local function module_of(path)
    return "wsclose." .. stem_of(path)
  end

  it("of a host are required by no other module", function()
    local found = {}
    for _, file in ipairs(sources.list("lua/wsclose", "%.lua$")) do
      for _, name in ipairs(sources.requires(sources.read("lua/wsclose/" .. file))) do
        local adapter = name:match "^wsclose%.(%w+)$"
        if adapter and adapters[adapter] then
          found[#found + 1] = file .. " requires " .. name
        end
      end
    end
    assert.same({}, found)
  end)

  -- Drivers of one protocol over several transports tend to mirror each other.
  it("have no six lines in common, comments and blanks apart", function()
    local where, twice = {}, {}
    for _, file in ipairs(sources.list("lua/wsclose", "%.lua$")) do
      local lines = {}
      for text in sources.read("lua/wsclose/" .. file):gmatch "[^\n]+" do
        local line = text:match "^%s*(.-)%s*$"
        if line ~= "" and line:sub(1, 2) ~= "--" then lines[#lines + 1] = line end
      end
      for i = 1, #lines - 5 do
        local six = table.concat(lines, "\n", i, i + 5)
        if where[six] then twice[#twice + 1] = where[six] .. " and " .. file .. ":\n" .. six end
        where[six] = file
      end
    end
    assert.same({}, twice)
  end)

  it("require their own kind only, or for a host that host", function()
    local found = {}
    for _, file in ipairs(sources.list("lua/wsclose", "%.lua$")) do
      for _, name in ipairs(sources.requires(sources.read("lua/wsclose/" .. file))) do
        local own = name:match "^wsclose$" or name:match "^wsclose%."
        local host = adapters[stem_of(file)]
        host = host and host[name:match "^%w+"]
        if not (own or host) or name == module_of(file) then
          found[#found + 1] = file .. " requires " .. name
        end
      end
    end
    assert.same({}, found)
  end)
end)

describe("the rockspec", function()
  local function load_rockspec(path)
    local env = {}
    local text = sources.read(path)
    if setfenv then
      setfenv(assert(loadstring(text, path)), env)()
    else
      assert(load(text, path, "t", env))()
    end
    return env
  end

  local build = load_rockspec("rockspec/wsclose-scm-1.rockspec").build
  local modules = build.modules

  local function sorted(list)
    local copy = {}
    for i, value in ipairs(list) do
      copy[i] = value
    end
    table.sort(copy)
    return copy
  end

  it("compiles every C file into the core but those of other and of lesser systems", function()
    local posix, windows = {}, { "src/net/absent/platform.c" }
    for _, file in ipairs(sources.list("src", "%.c$")) do
      local of_windows, of_posix = file:match "^net/windows/", file:match "^net/posix/"
      if not file:match "^net/absent/" then
        if not of_windows then posix[#posix + 1] = "src/" .. file end
        if not of_posix then windows[#windows + 1] = "src/" .. file end
      end
    end
    local on_windows = build.platforms.windows.modules["wsclose.core"]
    assert.same(posix, sorted(modules["wsclose.core"].sources))
    assert.same(sorted(windows), sorted(on_windows.sources))
  end)

  -- LuaRocks lays them over the others entry by entry.
  it("has lists for Windows that are not shorter than those they replace", function()
    local on_windows = build.platforms.windows.modules["wsclose.core"]
    for name, list in pairs(on_windows) do
      assert.is_true(#list >= #modules["wsclose.core"][name])
    end
  end)

  it("names the systems' macros in headers and the module's entry only", function()
    local found = {}
    local allowed = { ["wsclose.h"] = true, ["net/system/inet.h"] = true, ["core/hidden.h"] = true,
      ["core/cpu.h"] = true,      ["binding/lua_module.c"] = true }
    for _, file in ipairs(sources.list("src", "%.[ch]$")) do
      local asks = sources.read("src/" .. file):match "#%s*%l+ [^\n]*_WIN32%f[^%w_]"
      if asks and not allowed[file] then found[#found + 1] = file end
    end
    assert.same({}, found)
  end)

  it("installs every Lua file under its module's name", function()
    local expected, listed = {}, {}
    for _, file in ipairs(sources.list("lua", "%.lua$")) do
      local name = file:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      expected[name] = "lua/" .. file
    end
    for name, entry in pairs(modules) do
      if name ~= "wsclose.core" then
        listed[name] = entry
      end
    end
    assert.same(expected, listed)
  end)
end)
