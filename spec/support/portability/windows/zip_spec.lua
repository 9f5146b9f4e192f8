-- What a person does with the zip: unpack it, put the interpreter beside it, run the example
-- against a server that is not under wine.
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"

local lua = rawget(_G, "jit") and "luajit" or "lua5.4"
local program = { ["luajit"] = "luajit.exe lua51.dll", ["lua5.4"] = "lua54.exe lua54.dll" }

local SCRIPT = [[
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unzip -q dist/wsclose-*-windows.zip -d "$folder"
from=$PWD/build/portability/windows/%s
cd "$folder"/wsclose-*-windows/%s
for file in %s; do cp "$from/$file" .; done
cp ../example.lua .
unset LUA_PATH LUA_CPATH
exec 2>&1
wine ./%s example.lua ws://127.0.0.1:%d/ | tr -d '\r'
]]

describe("the zip for Windows", function()
  teardown(process.stop_all)
  after_each(network.close_all)

  it("is unpacked beside an interpreter, and its example runs", function()
    local server = peers.start "websockets"
    local files = program[lua]
    local script = SCRIPT:format(lua, lua, files, files:match "%S+", server.port)
    local pipe = io.popen(script)
    local said = pipe:read "*a"
    pipe:close()
    assert.matches("^hello from Windows\ttext\n1000\t", said)
  end)
end)
