-- What the system's error numbers mean to a connection.
local testing = require "wsclose.core_testing"

local fault, numbers = testing.net.fault, testing.net.numbers
local peer = "192.0.2.1 port 80"

local meanings = {
  connect = {
    { "ECONNREFUSED", "refused", "connection refused by 192.0.2.1 port 80" },
    { "EAGAIN", "refused", "connection refused by 192.0.2.1 port 80: its queue is full" },
    { "ENOENT", "unreachable", "there is no socket at 192.0.2.1 port 80" },
    { "ECONNRESET", "reset", "connection reset by 192.0.2.1 port 80" },
    { "ECONNABORTED", "reset", "connection to 192.0.2.1 port 80 was aborted" },
    { "ETIMEDOUT", "timeout", "no answer from 192.0.2.1 port 80" },
    { "ENETUNREACH", "unreachable", "no route to 192.0.2.1 port 80" },
    { "EHOSTUNREACH", "unreachable", "no route to 192.0.2.1 port 80" },
    { "ENETDOWN", "unreachable", "the network to 192.0.2.1 port 80 is down" },
    { "EHOSTDOWN", "unreachable", "192.0.2.1 port 80 is down" },
    { "EADDRNOTAVAIL", "unreachable", "no local address to reach 192.0.2.1 port 80 from" },
    { "EAFNOSUPPORT", "unreachable", "this system has no route to 192.0.2.1 port 80" },
    { "EACCES", "unreachable", "not permitted to connect to 192.0.2.1 port 80" },
    { "EPERM", "unreachable", "not permitted to connect to 192.0.2.1 port 80" },
    { "ENOMEM", "memory", "no memory to connect to 192.0.2.1 port 80" },
    { "ENOBUFS", "memory", "no memory to connect to 192.0.2.1 port 80" },
    { "EMFILE", "unreachable", "cannot connect to 192.0.2.1 port 80: Too many open files" },
  },
  transfer = {
    { "ECONNRESET", "reset", "connection reset by 192.0.2.1 port 80" },
    { "EPIPE", "reset", "connection reset by 192.0.2.1 port 80" },
    { "ETIMEDOUT", "timeout", "the connection to 192.0.2.1 port 80 timed out" },
    { "ENETUNREACH", "unreachable", "the route to 192.0.2.1 port 80 was lost" },
    { "EHOSTUNREACH", "unreachable", "the route to 192.0.2.1 port 80 was lost" },
    { "ENETDOWN", "unreachable", "the network to 192.0.2.1 port 80 went down" },
    { "ENOMEM", "memory", "no memory for the connection to 192.0.2.1 port 80" },
    { "ENOBUFS", "memory", "no memory for the connection to 192.0.2.1 port 80" },
    { "EBADF", "reset", "the connection to 192.0.2.1 port 80 failed: Bad file descriptor" },
    { "ECONNREFUSED", "reset", "the connection to 192.0.2.1 port 80 failed: Connection refused" },
  },
}

for operation, cases in pairs(meanings) do
  describe("the error of a failed " .. operation .. ",", function()
    for _, case in ipairs(cases) do
      it(case[1] .. ", is called '" .. case[2] .. "' and told in a sentence", function()
        assert.same({ case[3], case[2] }, { fault(numbers[case[1]], operation, peer) })
      end)
    end
  end)
end

describe("a number that the system does not know", function()
  it("is told as such", function()
    local sentence, name = fault(123456, "connect", peer)
    assert.equal("cannot connect to 192.0.2.1 port 80: Unknown error 123456", sentence)
    assert.equal("unreachable", name)
  end)
end)

describe("room for a sentence", function()
  -- It lies before an unmapped page: one byte too many crashes.
  it("is never passed, and what fits is told", function()
    local whole = fault(numbers.EMFILE, "connect", peer)
    for size = 1, #whole + 8 do
      local sentence, name = fault(numbers.EMFILE, "connect", peer, size)
      assert.equal("unreachable", name)
      assert.is_true(#sentence < size)
      assert.equal(whole:sub(1, #sentence), sentence)
    end
    assert.equal(whole, (fault(numbers.EMFILE, "connect", peer, #whole + 1)))
  end)
end)
