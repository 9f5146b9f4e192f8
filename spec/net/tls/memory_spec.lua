-- Every allocation on the way over TLS and proxies fails once: the program is told that it was
-- memory, or nothing is amiss, and all is given back. Without TLS: spec/net/memory_spec.lua.

local certificates = require "support.certificates"
local network = require "support.network"
local peers = require "support.peers"
local process = require "support.process"
local testing = require "wsclose.core_testing"

local memory = testing.memory
local wsclose = network.counted()

local made, server

setup(function()
  made = certificates.shared()
  server = peers.everything(made)
end)
teardown(process.stop_all)
after_each(function() memory.fail_at() end)

local function at(format) return format:format(server.port) end

local routes = {
  ["TLS with all its settings"] = function()
    return at "wss://feed.example:%d/echo", {
      ca = certificates.read(made.ca), pin = made:pin "good", ciphers = "ECDHE+AESGCM",
      cert = made.client_plain.cert, key = made.client_plain.key, server_name = "feed.example",
    }
  end,
  ["TLS through a proxy over TLS"] = function()
    return "wss://feed.example/echo", { ca_file = made.ca }, at "https://me:secret@localhost:%d"
  end,
  ["a SOCKS5 proxy"] = function()
    return "ws://feed.example/echo", nil, at "socks5h://127.0.0.1:%d"
  end,
}

-- One attempt: a message there and back, and both Closes.
local function live(url, tls, proxy)
  local told = { ends = {} }
  local ws, sentence, name = wsclose.new(url, {
    tls = tls, proxy = proxy or false, proxy_headers = proxy and { ["X-Way"] = "1" },
    resolve = { ["feed.example"] = "127.0.0.1", localhost = "127.0.0.1" },
    on_open = function(ws)
      local _, _, fault = ws:send "hello"
      told.unsent = fault
      if fault then ws:close() end
    end,
    on_message = function(ws, data)
      told.echo = data
      ws:close()
    end,
    on_close = function(_, _, _, info) table.insert(told.ends, info) end,
  })
  if not ws then
    assert.is_string(sentence)
    return { refused = name }
  end
  network.wait(function() return not ws:update(0.01) end, "the end")
  return told
end

local function outcome_of(told)
  assert.equal(1, #told.ends)
  local fault = told.ends[1].error
  if not fault then return told.unsent or told.echo == "hello" and "unharmed" end
  assert.matches("memory", fault.message)
  return fault.name
end

describe("without memory for any one allocation,", function()
  for name, route in pairs(routes) do
    it(name .. " ends with a report, and leaves nothing behind", function()
      local url, tls, proxy = route()
      live(url, tls, proxy) -- what is made once is made
      memory.fail_at()
      local whole = live(url, tls, proxy)
      local count = memory.attempts()
      assert.equal("hello", whole.echo)
      network.collect()
      local before, outcomes = memory.live_blocks(), { memory = 0, unharmed = 0 }
      for n = 1, count do
        memory.fail_at(n)
        local told = live(url, tls, proxy)
        memory.fail_at()
        local outcome = told.refused or outcome_of(told)
        assert(outcome == "memory" or outcome == "unharmed", outcome)
        outcomes[outcome] = outcomes[outcome] + 1
        network.collect()
        assert.equal(before, memory.live_blocks())
      end
      assert.is_true(outcomes.memory > 10) -- how many reads there are is the network's affair
    end)
  end
end)
