-- busted's helper for every run (.busted): once a spec file has ended, nothing of it is kept.
--
-- busted holds on to all the closures that it has run until the last file has ended, and with them
-- to what they know: servers, payloads, clients.  Specs of memory collect garbage some hundred
-- times each, and each time would walk through all of that.

local busted = require "busted"

local function forget(element)
  local children = busted.children(element)
  for i = #children, 1, -1 do
    forget(children[i])
    children[i].run = nil
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
