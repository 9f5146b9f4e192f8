-- Scripts from top to bottom in Debian's Pandoc and Nmap.

local hosts = require "support.hosts"
local pages = require "support.pages"
local process = require "support.process"

local NMAP = "nmap --script spec/support/hosts/script.nse"

for name, command in pairs {
  Pandoc = "pandoc --lua-filter spec/support/hosts/script.lua /dev/null",
  Nmap = NMAP,
} do
  describe(name, function()
    after_each(process.stop_all)
    teardown(hosts.stop)

    it(hosts.promise, function()
      local host = hosts.start("lua5.3", { "sh", "-c", command })
      host:play()
      host:went_away()
    end)
  end)
end

describe("Pandoc", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("puts the answer below the question, as the page says, and says 1001 at the end", function()
    local page = pages.start("scripts", {
      "pandoc", "--lua-filter={}", "--to=plain", "spec/support/hosts/report.md",
    }, { lua = "lua5.3", once = true })
    page.program:expect "^    left alone$"
    page.program:expect "^    asked of the server$"
    page.program:expect "^    %-%-> asked of the server$"
    page.server:expect "^page CLOSED 1001"
  end)
end)

describe("Nmap", function()
  after_each(process.stop_all)
  teardown(hosts.stop)

  it("lets other scripts go on while one waits", function()
    hosts.start("lua5.3", { "sh", "-c", "WSCLOSE_CASE=straight " .. NMAP }):straight()
  end)

  it("calls timers, whichever script set them", function()
    hosts.start("lua5.3", { "sh", "-c", "WSCLOSE_CASE=timers " .. NMAP }):timers()
  end)

  it("tells how a port's handshakes went, as the page says", function()
    local page = pages.start("scripts", {
      "sh", "-c", "nmap --script +{} -p $WSCLOSE_PORT 127.0.0.1",
    }, { lua = "lua5.3", block = 2, once = true, finds = true })
    page.program:expect "closed .*1000 NORMAL"
  end)
end)
