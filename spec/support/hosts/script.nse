-- Nmap runs it before it scans anything.
description = "the scenario, or what WSCLOSE_CASE names"
categories = { "safe" }
prerule = function() return true end

local stdnse = require "stdnse"

local cases = {}

function cases.scenario()
  require "support.hosts.script"
end

-- Two scripts at once.
for _, name in ipairs { "straight", "timers" } do
  cases[name] = function()
    require "support.hosts.program"[name](require("wsclose.hosted").module {
      wait = function() stdnse.sleep(0.01) end,
      wake = function() end,
    }, stdnse.new_thread)
  end
end

action = function()
  cases[os.getenv "WSCLOSE_CASE" or "scenario"]()
end
