-- Debian's WeeChat without a screen, by hook_fd and hook_timer.

local hosts = require "support.hosts"
local pages = require "support.pages"
local process = require "support.process"

local FILE = "spec/support/hosts/weechat.lua"

local function command(file)
  return { "weechat-headless", "--temp-dir", "--run-command", "/lua load " .. file }
end

local function start(case)
  local words = command(FILE)
  table.insert(words, 1, "WSCLOSE_CASE=" .. case)
  return hosts.start("lua5.3", words)
end

-- What the page prints into WeeChat's core buffer.
local PRELUDE = [[local out = io.open("/dev/stdout", "w") out:setvbuf "line" out:write "\n" ]]
  .. [[function weechat.print(_, line) out:write(line, "\n") end]]

describe("WeeChat", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  for _, ending in ipairs { "/quit", "/lua unload spec" } do
    it(hosts.promise .. ", by " .. ending, function()
      start("scenario"):play_to(ending)
    end)
  end

  it("calls timers", function()
    start("timers").program:expect "^ALONE 3 1000$"
  end)

  it("loses nothing to an error in a callback", function()
    local program = start("errors").program
    program:expect "^1 message 1$"
    program:expect "^2 message 2$"
    program:expect "^of the handler$"
    program:expect "^3 message 3$"
    program:expect "^CLOSE 1000$"
  end)

  it(pages.promise, function()
    pages.start("weechat", command "{}", {
      lua = "lua5.3", prelude = PRELUDE,
    }):comes_back "^text hello$"
  end)
end)
