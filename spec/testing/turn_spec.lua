-- Waits for many clients that know their seconds: group:run(seconds), wsclose.run and
-- wsclose.update with a list.  In the scripted world, where waiting costs nothing.

local testing = require "wsclose.testing"
local wsclose = require "wsclose"

local clock = testing.clock()

local function open_two()
  local servers, clients = {}, {}
  for i, host in ipairs { "a", "b" } do
    local url = ("ws://%s.example/"):format(host)
    servers[i] = testing.server(url):accept()
    clients[i] = assert(wsclose.new(url))
    testing.run(clients[i], "open")
  end
  return clients, servers
end

describe("a wait for many clients", function()
  after_each(testing.reset)

  it("ends with the seconds that group:run was given", function()
    local clients = open_two()
    local group = wsclose.group(clients)
    assert.same({ nil, "timeout" }, { group:run(5) })
    assert.equal(5, clock:now())
    assert.same({ nil, "timeout" }, { group:run(0) })
    assert.equal(5, clock:now())
  end)

  it("ends with the seconds that wsclose.run was given behind a list or a group", function()
    local clients = open_two()
    assert.same({ nil, "timeout" }, { wsclose.run(clients, 5) })
    assert.equal(5, clock:now())
    assert.same({ nil, "timeout" }, { wsclose.run(wsclose.group(clients), 2) })
    assert.equal(7, clock:now())
  end)

  it("ends before, when all clients are closed for good", function()
    local clients, servers = open_two()
    servers[1]:wait(1):close(1001, "first")
    servers[2]:wait(2):close(1000, "last")
    local group = wsclose.group(clients)
    local _, word = group:run(60)
    assert.is_true(word ~= "timeout")
    assert.equal(2, clock:now())
    _, word = wsclose.run(clients, 60)
    assert.is_true(word ~= "timeout")
    assert.equal(2, clock:now())
  end)

  it("without seconds goes on until then, as ever", function()
    local clients, servers = open_two()
    for _, server in ipairs(servers) do server:wait(100):close(1000) end
    wsclose.run(clients[1], clients[2])
    assert.equal(100, clock:now())
    assert.is_false((wsclose.update(0, clients)))
  end)

  it("is one round, of its seconds at most, for wsclose.update with a list", function()
    local clients = open_two()
    wsclose.update(0, clients) -- each is looked at once
    assert.is_true(wsclose.update(3, clients))
    local now = clock:now()
    assert.is_true(now > 0 and now <= 3)
    assert.is_true(wsclose.update(0, clients))
    assert.equal(now, clock:now())
  end)

  it("refuses seconds that are none, by a sentence", function()
    local clients = open_two()
    local group = wsclose.group(clients)
    for _, wrong in ipairs { "5", {}, true, 0 / 0 } do
      local ok, sentence = pcall(group.run, group, wrong)
      assert.is_false(ok)
      assert.matches("expected seconds", tostring(sentence))
    end
  end)
end)
