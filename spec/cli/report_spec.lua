-- What `wsclose check` says of a value: words and numbers at their limits.

local report = require "wsclose.cli.report"

local DAY = 86400

local function certificate(days, names)
  return {
    phases = { { name = "tls", seconds = 0.001 } },
    tls = {
      version = "TLSv1.3", cipher = "A", group = "X",
      certificate = {
        subject = "CN=a", names = names or { "a" }, not_after = os.time() + (days + 0.5) * DAY,
      },
    },
  }
end

local function names(count)
  local list = {}
  for i = 1, count do list[i] = "n" .. i end
  return list
end

describe("a certificate", function()
  for _, case in ipairs {
    { -2, "in %-2 days: it is over\n" }, { -1, "in %-1 days: it is over\n" },
    { 0, "in 0 days: renew it soon\n" }, { 20, "in 20 days: renew it soon\n" },
    { 21, "in 21 days\n" }, { 300, "in 300 days\n" },
  } do
    it(("that has %d days left is said to be so"):format(case[1]), function()
      assert.matches(case[2], report.phases(certificate(case[1])))
    end)
  end

  it("is told with its last day, in UTC", function()
    local value = certificate(1)
    value.tls.certificate.not_after = 86400 * 365
    assert.matches("its last day is 1971%-01%-01, in", report.phases(value))
  end)

  for _, case in ipairs {
    { 0, "for no name\n" }, { 1, "for n1\n" }, { 8, "n7, n8\n" }, { 9, "n7, n8 and 1 more\n" },
    { 12, "n7, n8 and 4 more\n" },
  } do
    it(("of %d names has the first eight"):format(case[1]), function()
      assert.matches(case[2], report.phases(certificate(1, names(case[1]))))
    end)
  end

  it("is left out where TLS failed, or has none to show", function()
    local failed, bare = certificate(1), certificate(1)
    failed.failure = { message = "no", retry_window = { 1, 1 } }
    assert.not_matches("certificate", report.phases(failed))
    bare.tls.certificate = nil
    assert.matches("TLSv1.3, A, X\n$", report.phases(bare))
  end)
end)

describe("a phase", function()
  for _, case in ipairs {
    { "dns", { address = "127.0.0.1" }, "found 127.0.0.1" }, { "dns", {}, "found no address" },
    { "tcp", {}, "connected" }, { "tcp", { address = "/run/a" }, "/run/a" },
    { "tcp", { address = "::1", port = 80 }, "::1 port 80" },
    { "tcp", { address = "::1", port = 0 }, "::1" },
    { "tcp", { address = "a", port = 1 }, "a port 1" },
    { "proxy", {}, "the tunnel is open" }, { "tls", {}, "open" }, { "handshake", {}, "open" },
    { "handshake", { protocol = "chat" }, "open, with the subprotocol chat" },
  } do
    it(case[1] .. " says " .. case[3], function()
      case[2].phases = { { name = case[1], seconds = 0 } }
      assert.equal("   " .. case[3] .. "\n", report.phases(case[2]):match "ms(.*)")
    end)
  end

  for _, case in ipairs {
    { 0, "0.00 ms" }, { 0.00234, "2.34 ms" }, { 0.0099, "9.90 ms" }, { 0.010, "10 ms" },
    { 1.5, "1500 ms" },
  } do
    it("takes " .. case[2], function()
      local line = report.phases { phases = { { name = "proxy", seconds = case[1] } } }
      assert.equal(case[2], line:match "%S+ ms")
    end)
  end

  it("that failed is the last, with what a program would do", function()
    local phases = { { name = "dns", seconds = 0 }, { name = "tcp", seconds = 0 } }
    local failure = { message = "refused", retry_window = { 0, 2 } }
    assert.equal([[
name           0.00 ms   found no address
TCP            0.00 ms   FAILED: refused
retry                    yes, after 0 to 2 s
]], report.phases { phases = phases, failure = failure })
    failure.retry_window, failure.retry_refused = nil, "1015 TLS_HANDSHAKE is not retried: a reason"
    assert.matches("retry +no: a reason\n$", report.phases { phases = phases, failure = failure })
  end)

  it("has one number for a window without width", function()
    local failure = { message = "", retry_window = { 2, 2.0005 } }
    local phases = { { name = "dns", seconds = 0 } }
    assert.matches("yes, after 2 s\n$", report.phases { phases = phases, failure = failure })
    failure.retry_window = { 2, 2.002 }
    assert.matches("yes, after 2 to 2 s\n$", report.phases { phases = phases, failure = failure })
  end)
end)

describe("an open connection", function()
  it("is told the median of its pings, or that no pong came", function()
    assert.equal("round trip     2.00 ms   of 3 pings, 1.00 ms to 12 ms\n",
      report.round_trip { count = 3, median = 0.002, least = 0.001, most = 0.012 })
    assert.equal("round trip               FAILED: no pong came\n", report.round_trip { count = 0 })
  end)

  for _, case in ipairs {
    { 0, 0, "0 pings and 0 messages" }, { 1, 1, "1 ping and 1 message" },
    { 2, 2, "2 pings and 2 messages" },
  } do
    it("that idles counts " .. case[3], function()
      assert.equal("idle             2.0 s   " .. case[3] .. " came; the connection lasts\n",
        report.idle { seconds = 2, pings = case[1], messages = case[2] })
    end)
  end

  for _, case in ipairs { { 0.4, 1 }, { 3, 1 }, { 5, 2 }, { 60.9, 30 } } do
    it(("that was cut after %g s needs a ping each %d"):format(case[1], case[2]), function()
      local failure = { message = "eof", retry_window = { 0, 2 } }
      local text = report.idle { seconds = case[1], pings = 0, messages = 0, failure = failure }
      assert.matches("FAILED: eof; 0 pings and 0 messages came\n", text)
      assert.matches(("{ interval = %d } "):format(case[2]), text)
    end)
  end

  for _, case in ipairs {
    { 0.5, "closes TCP first, 500 ms later\n" }, { 2, "closes TCP first, 2000 ms later\n" },
    { 2.1, "2100 ms later: a client that waits 2 s %(timeouts.linger%) closes before it\n" },
    { nil, "does not close TCP within 5 s: the client does\n" },
  } do
    it(("whose server closes TCP after %s s"):format(tostring(case[1])), function()
      local text = report.closing { code = 1000, seconds = 0.001, tcp = case[1], waited = 5 }
      assert.matches("^closing +1.00 ms   the server answers with Close 1000\n", text)
      assert.matches(case[2], text)
    end)
  end

  it("that is not closed in order says why", function()
    local failure = { message = "no Close came", retry_window = { 1, 1 } }
    assert.equal("closing                  FAILED: no Close came\n"
      .. "retry                    yes, after 1 s\n", report.closing { failure = failure })
  end)
end)

describe("an extension", function()
  local refused = { code = 1010, message = "missing", retry_refused = "1010 MANDATORY is not it" }
  for _, case in ipairs {
    { { agreed = true, answer = "a; b=1" }, "agreed: a; b=1\n$" },
    { { agreed = true }, "agreed: *\n$" },
    { { failure = refused }, "not agreed: a program that requires it ends with 1010\nretry +no: " },
    { { failure = { code = 1006, message = "bad answer", retry_window = { 1, 1 } } },
      "FAILED: bad answer\nretry +yes, after 1 s\n$" },
  } do
    it("is told as " .. case[2]:gsub("\n", " "), function()
      case[1].asked = "x"
      assert.matches(case[2], report.extensions { case[1] })
    end)
  end

  it("that is missing is advised upon once, by the first", function()
    local rows = { { asked = "a", failure = refused }, { asked = "b", failure = refused } }
    local _, times = report.extensions(rows):gsub("retry", "")
    assert.equal(1, times)
  end)
end)
