-- Bytes that would end a line of the request, or cut a name short for OpenSSL or the system, in
-- whatever a program takes from its users: refused before any byte is sent.

local scripted = require "support.scripted_server"
local wsclose = require "wsclose"

local server

before_each(function()
  server = scripted.new(function(c)
    c:read_request()
  end)
end)
after_each(scripted.close_all)

-- Joined, for `format` of Lua 5.1 and 5.2 cuts at NUL.
local function url(path)
  return server:url "" .. (path or "/")
end

-- Each gives the arguments of wsclose.new, with the byte somewhere inside.
local PLACES = {
  ["the host"] = function(byte)
    return "ws://127.0.0.1" .. byte .. ":" .. server.port .. "/"
  end,
  ["the path"] = function(byte)
    return url("/a" .. byte .. "b")
  end,
  ["the query"] = function(byte)
    return url("/?a" .. byte .. "b")
  end,
  ["the user"] = function(byte)
    return "ws://me" .. byte .. ":pw@127.0.0.1:" .. server.port .. "/"
  end,
  ["a header's name"] = function(byte)
    return url(), { headers = { ["X-A" .. byte .. "X-B"] = "1" } }
  end,
  ["a header's value"] = function(byte)
    return url(), { headers = { ["X-A"] = "1" .. byte .. "X-B: 2" } }
  end,
  ["a protocol"] = function(byte)
    return url(), { protocols = { "v1" .. byte .. "v2" } }
  end,
  ["an extension's name"] = function(byte)
    return url(), { extensions = { ["x" .. byte .. "y"] = {} } }
  end,
  ["the name of an extension's parameter"] = function(byte)
    return url(), { extensions = { x = { ["p" .. byte .. "q"] = "1" } } }
  end,
  ["an extension's parameter"] = function(byte)
    return url(), { extensions = { x = { p = "a" .. byte .. "b" } } }
  end,
  ["the proxy's host"] = function(byte)
    return url(), { proxy = "http://127.0.0.1" .. byte .. ":" .. server.port }
  end,
  ["the proxy's password"] = function(byte)
    return url(), { proxy = "http://me:p" .. byte .. "w@127.0.0.1:" .. server.port }
  end,
  ["the proxy's password, percent-encoded"] = function(byte)
    local escape = ("%%%02x"):format(byte:byte())
    return url(), { proxy = ("http://me:p%sw@127.0.0.1:%d"):format(escape, server.port) }
  end,
  ["the proxy's user, percent-encoded, for SOCKS5"] = function(byte)
    local escape = ("%%%02X"):format(byte:byte())
    return url(), { proxy = ("socks5h://m%se:pw@127.0.0.1:%d"):format(escape, server.port) }
  end,
  ["tls.server_name"] = function(byte)
    return url(), { tls = { server_name = "feed.example" .. byte .. ".evil.example" } }
  end,
  ["a host in resolve"] = function(byte)
    return url(), { resolve = { ["a" .. byte .. "b"] = "127.0.0.1" } }
  end,
  ["an address in resolve"] = function(byte)
    return url(), { resolve = { a = "127.0.0.1" .. byte } }
  end,
}

local BYTES = { CR = "\r", LF = "\n", NUL = "\0" }

for place, arguments in pairs(PLACES) do
  for name, byte in pairs(BYTES) do
    it(("%s in %s is refused before anything is sent"):format(name, place), function()
      local ok, ws, sentence = pcall(wsclose.new, arguments(byte))
      assert.is_true(not ok or ws == nil, "it was taken")
      assert.is_string(ok and sentence or ws)
      server:step()
      assert.equal(0, #server.connections)
    end)
  end
end

for name, byte in pairs(BYTES) do
  it(name .. " in what before_connect gives is refused too", function()
    for _, changed in ipairs {
      { headers = { ["X-A"] = "1" .. byte } },
      { protocols = { "v1" .. byte } },
      { url = url("/" .. byte) },
    } do
      local closed
      local ws = assert(wsclose.new(url(), {
        before_connect = function()
          return changed
        end,
        on_close = function(_, _, _, info)
          closed = info
        end,
      }))
      local ok = pcall(ws.update, ws, 0)
      pcall(ws.update, ws, 0)
      assert.is_true(not ok or closed ~= nil)
      assert.equal("closed", ws:state())
      server:step()
      assert.equal(0, #server.connections)
    end
  end)

  it(name .. " in a Location is not followed", function()
    local evil = scripted.new(function(c)
      c:read_request()
      c:send("HTTP/1.1 302 Found\r\nLocation: /a" .. byte .. "b\r\nContent-Length: 0\r\n\r\n")
      c:finish()
    end)
    local ws = assert(wsclose.new(evil:url(), { redirects = 3 }))
    scripted.pump(ws, evil, function()
      return ws:state() == "closed"
    end)
    assert.equal(1, #evil.connections)
    assert.is_string(ws.close_info.error.message)
  end)
end
