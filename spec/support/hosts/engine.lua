-- The game that the suite embeds into examples/engine: the scenario, or what WSCLOSE_CASE names.
local scenario = require "scenario"
local wsclose = require "wsclose"

local CASE = os.getenv "WSCLOSE_CASE"
local clients = {}

local function new(url, options)
  local ws = assert(wsclose.new(url, options))
  clients[#clients + 1] = ws
  return ws
end

if CASE == "sandbox" then
  print(("io %s, loadfile %s, dofile %s, loadlib %s, remove %s"):format(
    tostring(io), tostring(loadfile), tostring(dofile), tostring(package.loadlib),
    tostring(os.remove)))
  print(pcall(require, "socket"))
else
  scenario(new, print, { options = { tls = { ca = os.getenv "WSCLOSE_CA_PEM" } } })
end

function frame() -- luacheck: ignore 111
  for _, ws in ipairs(clients) do ws:update() end
end
