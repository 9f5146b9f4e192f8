-- What `make install` puts where, seen from a folder that packagers would name with DESTDIR.
local sources = require "support.sources"

local lua = rawget(_G, "jit") and "luajit" or _VERSION:gsub("Lua ", "lua")
local version = _VERSION:match "%d%.%d"

-- The suite itself runs under make: nothing of that run may reach this one.
local environment = "unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL SANITIZE BUILD CFLAGS LUA_BIN; "

local unpack_list = table.unpack or unpack

local function shell(command)
  local pipe = assert(io.popen("(" .. environment .. command .. ") 2>&1; echo $?"))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.-)(%d+)\n$"
  return tonumber(status), text
end

local function run(command)
  local status, output = shell(command)
  assert.are_equal(0, status, command .. "\n" .. output)
  return output
end

-- What the stock interpreter of this version prints for `code`, with only the given paths.
local function interpreter_says(folder, code)
  local share, lib = folder .. "/share/lua/" .. version, folder .. "/lib/lua/" .. version
  local path, cpath = ("%s/?.lua;%s/?/init.lua"):format(share, share), lib .. "/?.so"
  local interpreter = run("scripts/find interpreter " .. lua):match "%S+"
  return run(("LUA_PATH='%s' LUA_CPATH='%s' %s -e '%s'"):format(path, cpath, interpreter, code))
end

describe("make install", function()
  local root = run("mktemp -d"):match "%S+"
  local prefix = root .. "/opt/a b"
  local arguments = ("LUA=%s DESTDIR='%s' PREFIX='/opt/a b'"):format(lua, root)

  local said

  lazy_setup(function()
    said = run("make install " .. arguments)
  end)

  lazy_teardown(function()
    run("rm -rf " .. root)
  end)

  local of_c = {
    "include/wsclose.h", "lib/cmake/wsclose/wsclose-config-version.cmake",
    "lib/cmake/wsclose/wsclose-config.cmake", "lib/libwsclose.a", "lib/libwsclose.so",
    "lib/libwsclose.so.0", "lib/pkgconfig/wsclose.pc",
  }

  -- What a library or module shows to others, sorted.
  local function exported(path)
    local names = {}
    for name in run(("nm -D --defined-only '%s/%s'"):format(prefix, path)):gmatch "%x+ %u (%S+)" do
      names[#names + 1] = name
    end
    table.sort(names)
    return names
  end

  it("puts the Lua files, the C module and library, the command and its page there", function()
    local expected = {
      "bin/wsclose", "lib/lua/" .. version .. "/wsclose/core.so", "share/man/man1/wsclose.1",
      "lib/libwsclose-" .. lua .. ".a", "lib/pkgconfig/wsclose-" .. lua .. ".pc", unpack_list(of_c),
    }
    for _, file in ipairs(sources.list("lua", "%.lua$")) do
      expected[#expected + 1] = "share/lua/" .. version .. "/" .. file
    end
    table.sort(expected)
    assert.same(expected, sources.list(prefix, ""))
  end)

  it("gives a module that a fresh interpreter loads from there", function()
    local code = [[print(require "wsclose".codes[1001], package.loaded["wsclose.core"] ~= nil)]]
    assert.are_equal("GOING_AWAY\ttrue\n", interpreter_says(prefix, code))
  end)

  it("says which two lines of a shell make Lua search PREFIX, where it does not", function()
    local lines = said:match "does not search /opt/a b by itself; [^\n]*\n(.*)\n$"
    assert.matches("^  export LUA_PATH=[^\n]+\n  export LUA_CPATH=[^\n]+$", lines)
    local there = lines:gsub("/opt/a b", function() return prefix end) -- as if DESTDIR were not
    local interpreter = run("scripts/find interpreter " .. lua):match "%S+"
    local code = [[print(require "wsclose".codes[1001])]]
    assert.equal("GOING_AWAY\n", run(("%s\n%s -e '%s'"):format(there, interpreter, code)))
    local set = lines:gsub("\n", ";") .. "; "
    assert.is_nil(run(set .. "make install-lua " .. arguments):find("does not search", 1, true))
  end)

  it("gives a command that finds the modules under PREFIX by itself", function()
    local command = root .. "/wsclose"
    -- as if DESTDIR were not: PREFIX is where the files are
    run(("sed \"s|/opt/a b|%s|g\" '%s/bin/wsclose' >%s"):format(prefix, prefix, command))
    local output = run(("cd / && env -u LUA_PATH -u LUA_CPATH sh -c '$(head -1 %s | cut -c3-) %s"
      .. " --version'"):format(command, command))
    assert.equal(require("wsclose")._VERSION .. "\n", output)
    run("rm " .. command)
  end)

  it("gives a command that can be run, and a page that has its options", function()
    run(("test -x '%s/bin/wsclose'"):format(prefix))
    local page = run(("cat '%s/share/man/man1/wsclose.1'"):format(prefix))
    assert.matches("\n.B \\-H, \\-\\-header ", page, 1, true)
  end)

  it("gives a module that exports the way in and nothing more", function()
    assert.same({ "luaopen_wsclose_core" }, exported("lib/lua/" .. version .. "/wsclose/core.so"))
  end)

  it("gives a C library that exports what wsclose.h declares and nothing more", function()
    local declared, seen = {}, {}
    local header = sources.read(prefix .. "/include/wsclose.h"):gsub("/%*.-%*/", "")
    for name in header:gmatch "%f[%w_](wsc_[%w_]+)%(" do
      if not seen[name] then declared[#declared + 1] = name end
      seen[name] = true
    end
    table.sort(declared)
    assert.same(declared, exported "lib/libwsclose.so.0")
  end)

  it("says to pkg-config what version it is and where it will be", function()
    local file = sources.read(prefix .. "/lib/pkgconfig/wsclose.pc")
    assert.matches("\nVersion: " .. require("wsclose.core").version .. "\n", file, 1, true)
    assert.matches("^prefix=/opt/a b\nlibdir=${prefix}/lib\n", file)
    assert.not_matches("@", file .. sources.read(prefix .. "/" .. of_c[3]), 1, true)
  end)

  it("puts the C library alone where there is no Lua", function()
    run(("make install-c LUA_BIN=false DESTDIR='%s' PREFIX=/c"):format(root))
    assert.same(of_c, sources.list(root .. "/c", ""))
    run(("make uninstall-c DESTDIR='%s' PREFIX=/c"):format(root))
    assert.same({}, sources.list(root .. "/c", ""))
  end)

  it("is undone by make uninstall", function()
    run("make uninstall " .. arguments)
    assert.same({}, sources.list(prefix, ""))
    run("make install " .. arguments)
  end)
end)

describe("make without a header", function()
  local function refused(variable, folder)
    local build = run("mktemp -d"):match "%S+"
    local command = ("make LUA=%s BUILD=%s %s=%s"):format(lua, build, variable, folder)
    local status, output = shell(command)
    run("rm -rf " .. build)
    assert.are_not_equal(0, status)
    return output
  end

  it("names lua.h and the folder it was told", function()
    local output = refused("LUA_INCDIR", "/nowhere")
    assert.matches("wsclose: no lua.h of " .. lua .. " in LUA_INCDIR=/nowhere", output, 1, true)
  end)

  it("names OpenSSL's header and the folder it was told", function()
    local output = refused("OPENSSL_DIR", "/nowhere")
    local sentence = "wsclose: no openssl/ssl.h (1.1.1 or newer) in OPENSSL_DIR=/nowhere/include"
    assert.matches(sentence, output, 1, true)
  end)

  it("names zlib's header and the folder it was told", function()
    local output = refused("ZLIB_DIR", "/nowhere")
    assert.matches("wsclose: no zlib.h in ZLIB_DIR=/nowhere/include", output, 1, true)
  end)

  it("names the package and the variable when a header is nowhere", function()
    local compiler = run("mktemp"):match "%S+" -- one that finds no header
    run(("printf '#!/bin/sh\\nexit 1\\n' > %s && chmod +x %s"):format(compiler, compiler))
    local variables = { openssl = "OPENSSL_DIR", zlib = "ZLIB_DIR", [lua] = "LUA_INCDIR" }
    for need, variable in pairs(variables) do
      local status, output = shell(("CC=%s scripts/find cflags %s"):format(compiler, need))
      assert.are_equal(1, status)
      assert.matches(" was not found.", output, 1, true)
      assert.matches("make " .. variable .. "=", output, 1, true)
      local command = run("scripts/setup --how " .. need .. "-dev"):match "[^\n]+"
      assert.matches(command, output, 1, true)
    end
    run("rm -f " .. compiler)
  end)

  it("names the script that builds Lua 5.5, once for all that it builds", function()
    assert.equal("scripts/lua55\n", run "scripts/setup --how lua5.5 lua5.5-dev lua5.5-busted")
  end)

  it("names the Luas there are when asked for another", function()
    local status, output = shell "make LUA=lua6.0"
    assert.are_not_equal(0, status)
    assert.matches("lua5.1, lua5.2, lua5.3, lua5.4, lua5.5 or luajit", output, 1, true)
  end)
end)

-- Its own parser is asked, so Lua 5.5 has to run it.
if _VERSION == "Lua 5.5" then
  describe("an assignment to a loop's variable", function()
    local file

    before_each(function()
      file = run("mktemp"):match "%S+"
      local out = assert(io.open(file, "w"))
      assert(out:write [[
#!/usr/bin/env lua
for i = 1, 3 do
  for key, value in pairs { i } do -- of the inner loop
    key, value = value, key
    i = i + key
    print(i, value)
  end
end
]])
      out:close()
    end)
    after_each(function() os.remove(file) end)

    local function look(options)
      return shell(("%s scripts/loop_variables.lua %s %s"):format(arg[-1], options, file))
    end

    it("is found", function()
      local status, output = look ""
      assert.are_not_equal(0, status)
      assert.matches(":4: attempt to assign to const variable '%w+'", output)
    end)

    it("is repaired where it is another's", function()
      assert.equal(0, (look "--repair"))
      assert.equal(0, (look ""))
      assert.equal("2\t1\n4\t1\n6\t1\n", run(arg[-1] .. " " .. file))
    end)
  end)
end
