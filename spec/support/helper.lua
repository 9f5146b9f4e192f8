-- busted's helper for every run (.busted): what makes the suite several times as fast.

local busted = require "busted"
local getfenv = require "busted.compatibility".getfenv

-- By busted: the parent of each element that there ever was.
local _, parents = debug.getupvalue(busted.parent, 1)

-- Of a spec file that has ended nothing is kept.  busted holds on to all the closures that it has
-- run until the last file has ended, and with them to what they know: servers, payloads, clients.
-- Specs of memory collect garbage some hundred times each, and would walk through it each time.
local function forget(element)
  local children = busted.children(element)
  for i = #children, 1, -1 do
    forget(children[i])
    children[i].run = nil
    parents[children[i]] = nil
    children[i] = nil
  end
  -- what it says of itself stays, for reports; the lists of its setup, before_each, … do not
  for name, value in pairs(element) do
    local stays = type(value) ~= "table" or name == "attributes" or name == "run"
    if not stays then element[name] = nil end
  end
end

busted.subscribe({ "file", "end" }, function(file)
  forget(file)
  getmetatable(file.run).__call = nil -- the chunk; busted asks the rest of it where a fault was
  return nil, true -- it is the other subscribers' turn
end)

-- What a file has left goes before the next one counts what there is.
busted.subscribe({ "file", "start" }, function()
  require "support.garbage" ()
  return nil, true
end)

-- A spec's globals are looked for in each block around it, and in _G at last, at each use: half the
-- time of a long loop.  What busted does not replace is found at once.
busted.subscribe({ "file", "start" }, function(file)
  local env = getfenv(getmetatable(file.run).__call) -- all files have this one
  for name, value in pairs(_G) do
    if env[name] == value then rawset(env, name, value) end
  end
  return nil, true
end)
