local close_codes = require "wsclose.close_codes"
local retry = require "wsclose.retry"

local NEAR = 1e-9
local MOST = 0.999999

-- A policy with scripted chance and time; `world` holds what a test turns: random and now.
local function scripted(options, world)
  world.now = world.now or 1000
  local given = {
    random = function() return world.random end,
    clock = function() return world.now end,
  }
  for name, value in pairs(options or {}) do given[name] = value end
  return retry.new(given)
end

local function fixed(random, options)
  return scripted(options, { random = random })
end

local function delays(policy, count, code, info)
  local list = {}
  for i = 1, count do list[i] = assert(policy:next(code or 1006, info)) end
  return list
end

local function assert_near(expected, actual)
  assert(math.abs(expected - actual) < NEAR, ("expected %.12g, got %.12g"):format(expected, actual))
end

local function assert_all_near(expected, actual)
  assert.equal(#expected, #actual)
  for i = 1, #expected do assert_near(expected[i], actual[i]) end
end

-- The bounds of a delay: with the least and with the greatest random number.
local function bounds(options, code, info, before)
  local list = {}
  for _, random in ipairs { 0, MOST } do
    local policy = fixed(random, options)
    for _ = 1, before or 0 do policy:next(1006) end
    list[#list + 1] = assert(policy:next(code, info))
  end
  return list[1], list[2]
end

local function refused(options, code, info)
  local delay, why = fixed(0.5, options):next(code, info)
  assert.equal(nil, delay)
  return why
end

local function assert_found(part, text)
  assert(text:find(part, 1, true), ("%q is not in %q"):format(part, text))
end

describe("the backoff formula", function()
  for _, case in ipairs {
    { jitter = "full", random = 0, delays = { 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 20, 20 } },
    { jitter = "full", random = 0.5,
      delays = { 0.625, 1.125, 2.125, 4.125, 8.125, 16.125, 30, 30 } },
    { jitter = "equal", random = 0,
      delays = { 0.625, 1.125, 2.125, 4.125, 8.125, 16.125, 20.125, 20.125 } },
    { jitter = "equal", random = 0.5,
      delays = { 0.8125, 1.5625, 3.0625, 6.0625, 12.0625, 24.0625, 30.0625, 30.0625 } },
    { jitter = "none", random = 0, delays = { 1, 2, 4, 8, 16, 32, 40, 40 } },
    { jitter = "none", random = MOST, delays = { 1, 2, 4, 8, 16, 32, 40, 40 } },
    { jitter = "decorrelated", random = 0, delays = { 1, 1, 1, 1, 1, 1, 1, 1 } },
    { jitter = "decorrelated", random = 0.5,
      delays = { 2, 3.5, 5.75, 9.125, 14.1875, 20.5, 20.5, 20.5 } },
  } do
    local title = "gives exact delays with jitter %q and random %g"
    it(title:format(case.jitter, case.random), function()
      local policy = fixed(case.random, { jitter = case.jitter })
      assert_all_near(case.delays, delays(policy, 8))
    end)
  end

  it("takes full jitter, initial 1, factor 2, max 40 and floor 0.25 by default", function()
    assert_all_near({ 0.625, 1.125, 2.125 }, delays(fixed(0.5), 3))
    assert_near(30, delays(fixed(0.5), 20)[20])
  end)

  for _, case in ipairs {
    { jitter = "full", low = function(floor, cap) return cap == 20 and 10 or floor end },
    { jitter = "equal", low = function(floor, cap) return (floor + cap) / 2 end },
    { jitter = "none", low = function(_, cap) return cap end },
  } do
    it("keeps to its bounds for every n: jitter " .. case.jitter, function()
      local options = { initial = 0.5, factor = 1.7, max = 20, floor = 0.4, jitter = case.jitter }
      local least, most = fixed(0, options), fixed(MOST, options)
      for n = 0, 40 do
        local cap = math.min(20, 0.5 * 1.7 ^ n)
        local low = case.low(0.4, cap)
        assert_near(low, least:next(1006))
        assert_near(case.jitter == "none" and cap or low + MOST * (cap - low), most:next(1006))
      end
    end)
  end

  it("keeps decorrelated delays between initial and thrice the one before, at most max", function()
    local policy = retry.new { jitter = "decorrelated", initial = 2, max = 50 }
    local before = 2
    for _ = 1, 2000 do
      local delay = policy:next(1006)
      assert(delay >= 2 and delay <= math.min(50, 3 * before))
      before = delay
    end
  end)

  it("never shrinks its ceiling and never passes max", function()
    for _, factor in ipairs { 1, 1.001, 1.5, 2, 10, 1e9 } do
      local policy = fixed(0, { jitter = "none", factor = factor, max = 45 })
      local before = 0
      for _ = 1, 3000 do
        local delay = policy:next(1006)
        assert(delay >= before and delay <= 45)
        before = delay
      end
      assert_near(factor == 1 and 1 or math.min(45, factor ^ 2999), before)
    end
  end)

  it("does not overflow at n = 10000", function()
    for _, jitter in ipairs { "full", "equal", "decorrelated", "none" } do
      for _, case in ipairs { { 1, 2 }, { 1, 1e300 }, { 1e-300, 2 }, { 1, 1.01 } } do
        local options = { initial = case[1], factor = case[2], jitter = jitter, floor = 0 }
        local policy = fixed(MOST, options)
        local delay
        for _ = 1, 10001 do delay = policy:next(1006) end
        assert.equal(10001, policy.retries)
        assert(delay > 39 and delay <= 40, delay)
      end
    end
  end)

  it("keeps clients at the cap spread over the whole range: jitter comes after the cap", function()
    for _, case in ipairs { { "full", 20, 40 }, { "equal", 20.125, 40 } } do
      local jitter, low, high = case[1], case[2], case[3]
      local policy = retry.new { jitter = jitter }
      for _ = 1, 10 do policy:next(1006) end
      local tenths = {}
      for i = 1, 10 do tenths[i] = 0 end
      for _ = 1, 10000 do
        local place = math.floor((policy:next(1006) - low) / (high - low) * 10) + 1
        tenths[place] = tenths[place] + 1
      end
      -- A thousand each on average, with a standard deviation of thirty.
      for i = 1, 10 do assert(tenths[i] > 760 and tenths[i] < 1240, jitter .. " " .. tenths[i]) end
    end
  end)

  it("spreads decorrelated delays at the cap too", function()
    local policy = retry.new { jitter = "decorrelated" }
    for _ = 1, 20 do policy:next(1006) end
    local capped, least, most = 0, math.huge, 0
    for _ = 1, 5000 do
      local delay = policy:next(1006)
      if delay == 40 then capped = capped + 1 end
      least, most = math.min(least, delay), math.max(most, delay)
    end
    assert.equal(0, capped)
    assert(least < 5 and most > 35)
  end)

  it("takes no floor of its own where that would take the jitter away", function()
    assert_all_near({ 0.005, 0.01, 0.02 }, delays(fixed(0.5, { initial = 0.01 }), 3))
  end)

  it("starts at max where initial is above it", function()
    assert_all_near({ 5, 5 }, delays(fixed(0, { initial = 10, max = 5, jitter = "none" }), 2))
    assert_all_near({ 5, 5 },
      delays(fixed(0, { initial = 10, max = 5, jitter = "decorrelated" }), 2))
  end)

  it("lets the default floor give way to a small max, with jitter left", function()
    local low, high = bounds({ initial = 0.01, max = 0.05 }, 1006, nil, 10)
    assert_near(0.025, low)
    assert_near(0.025 + 0.025 * MOST, high)
  end)
end)

describe("the first delay by code", function()
  for _, case in ipairs {
    { 1001, 0, 5 }, { 1012, 0, 15 }, { 1013, 10, 30 },
    { 1006, 0.25, 1 }, { 1011, 0.25, 1 }, { 1014, 0.25, 1 }, { 4000, 0.25, 1 },
  } do
    local code, low, high = case[1], case[2], case[3]
    it(("lies between %g and %g s after %d"):format(low, high, code), function()
      local least, most = bounds(nil, code)
      assert_near(low, least)
      assert_near(low + MOST * (high - low), most)
    end)
  end

  it("comes from the entries of the close codes", function()
    for _, row in ipairs(close_codes.rows()) do
      if row.first then
        local least, most = bounds(nil, row.code, { opened = true })
        assert_near(row.first[1], least)
        assert_near(row.first[1] + MOST * (row.first[2] - row.first[1]), most)
      end
    end
  end)

  it("counts as the first try of the formula", function()
    local policy = fixed(0.5)
    assert_all_near({ 2.5, 2.75, 4.125, 8.125 }, delays(policy, 4, 1001))
  end)

  it("is that of 1006 only for a connection that was open", function()
    local lost = { by = "network", opened = true, error = { name = "eof", phase = "open" } }
    local least, most = bounds(nil, 1006, lost)
    assert_near(0, least)
    assert_near(2 * MOST, most)
    assert_near(0.625, fixed(0.5):next(1006, { opened = false, error = { name = "refused" } }))
  end)

  it("is that of 1006 where only opened() told of the connection, and once", function()
    local policy = fixed(0.5)
    policy:opened()
    assert_near(1, policy:next(1006))
    policy:reset()
    assert_near(0.625, policy:next(1006))
  end)

  it("is not given after a failure, since n is not 0", function()
    local policy = fixed(0.5)
    policy:next(1006)
    assert_near(0.25 + 0.5 * 5, policy:next(1001)) -- as wide as 0-5 s all the same
  end)

  it("is replaced entry by entry", function()
    local options = { first = { [1001] = { 1, 2 }, [1014] = 7, [1012] = false } }
    local least, most = bounds(options, 1001)
    assert_near(1, least)
    assert_near(1 + MOST, most)
    assert_near(7, fixed(0.5, options):next(1014))
    assert_near(0.625, fixed(0.5, options):next(1012))
    assert_near(20, fixed(0.5, options):next(1013))
  end)

  it("is switched off with first = false", function()
    assert_near(0.625, fixed(0.5, { first = false }):next(1001))
    assert_near(0.625, fixed(0.5, { first = false }):next(1012))
  end)

  it("is never above max", function()
    for _, code in ipairs { 1001, 1012, 1013 } do
      for _, max in ipairs { 0.5, 3, 4.9, 5, 7, 10, 29 } do
        local _, most = bounds({ max = max }, code)
        assert(most <= max)
      end
    end
    assert_near(3, fixed(0.5, { max = 3, first = { [1001] = 8 } }):next(1001))
  end)

  it("stays spread out where max cuts the range off", function()
    for _, case in ipairs { { 1012, 3, 0 }, { 1013, 10, 5 }, { 1013, 4, 2 }, { 1001, 4, 0 } } do
      local code, max, low = case[1], case[2], case[3]
      local least, most = bounds({ max = max }, code)
      assert_near(low, least)
      assert_near(low + MOST * (max - low), most)
    end
  end)

  it("is uniform whatever the jitter of the formula", function()
    for _, jitter in ipairs { "full", "equal", "decorrelated", "none" } do
      assert_near(2.5, fixed(0.5, { jitter = jitter }):next(1001))
    end
  end)
end)

describe("1013 TRY_AGAIN_LATER", function()
  it("is not retried under 10 s, past the first delay and with every jitter", function()
    for _, jitter in ipairs { "full", "equal", "decorrelated", "none" } do
      for before = 0, 8 do
        local least, most = bounds({ jitter = jitter }, 1013, nil, before)
        assert(least >= 10 and most <= 120)
        if jitter ~= "none" then assert(most - least > 19, "in step") end
      end
    end
  end)

  it("grows with the backoff, up to overload_max", function()
    for _, case in ipairs { { 2, 10, 30 }, { 5, 10, 64 }, { 8, 60, 120 } } do
      local least, most = bounds(nil, 1013, nil, case[1])
      assert_near(case[2], least)
      assert_near(case[2] + MOST * (case[3] - case[2]), most)
    end
  end)

  it("obeys the user's own window, which takes the place of the 10 s for the whole run", function()
    local options = { first = { [1013] = { 0, 1 } } }
    local least, most = bounds(options, 1013)
    assert_near(0, least)
    assert_near(MOST, most)
    assert_near(0.25, bounds(options, 1013, nil, 1))
    assert_near(0.625, fixed(0.5, { first = false }):next(1013))
  end)

  it("keeps its 10 s with codes = { [1013] = true }", function()
    assert(bounds({ codes = { [1013] = true } }, 1013, nil, 1) >= 10)
  end)

  it("gives way to a max that is not above 10, spread out", function()
    for _, max in ipairs { 4, 10 } do
      for before = 0, 1 do
        local least, most = bounds({ max = max }, 1013, nil, before)
        assert(least >= max / 2 and most <= 3 * max and most - least > max / 2 * 0.99)
      end
    end
  end)

  it("leaves a larger floor alone", function()
    assert_near(12, bounds({ floor = 12, initial = 12 }, 1013, nil, 1))
  end)
end)

describe("what is retried by default", function()
  for _, code in ipairs {
    1001, 1005, 1006, 1011, 1012, 1013, 1014, 3001, 3008, 3999, 4000, 4999,
  } do
    it("retries " .. code, function()
      assert.is_number(fixed(0.5):next(code, { by = "peer", opened = true }))
    end)
  end

  for _, code in ipairs {
    -5, 0, 999, 1000, 1003, 1004, 1007, 1008, 1009, 1010, 1015, 1016, 2999, 3000, 3003, 5000,
  } do
    it(("does not retry %d and says why in one sentence"):format(code), function()
      local why = refused(nil, code, { by = "peer", opened = true })
      local entry = close_codes.explain(code)
      assert.equal(("%d %s is not retried: %s"):format(code, entry.name, entry.retry_why), why)
    end)
  end

  it("says of 1002 who names the rule: our error, or the peer that found a fault", function()
    for _, case in ipairs {
      { { error = { name = "protocol" } }, close_codes.explain(1002).retry_why },
      { { reason = "bad mask" },
        "the peer says that a frame of ours broke a rule; its close reason names it" },
      { { reason = "" }, "the peer says that a frame of ours broke a rule; it does not say which" },
    } do
      case[1].opened, case[1].by = true, case[1].error and "network" or "peer"
      assert.equal("1002 PROTOCOL_ERROR is not retried: " .. case[2], refused(nil, 1002, case[1]))
    end
  end)

  it("follows the entries of the close codes for every code", function()
    for code = 0, 5000 do
      local delay = fixed(0.5):next(code, { by = "peer", opened = true })
      assert(close_codes.explain(code).retry == (delay ~= nil), code)
    end
  end)

  it("names the missing extension and the fix for 1010", function()
    local sent = { code = 1010, reason = "permessage-deflate" }
    local info = { by = "client", opened = false, sent = sent }
    assert.equal("1010 MANDATORY_EXTENSION is not retried: the server does not agree to "
      .. "permessage-deflate; switch it on at the server or make it optional",
      refused(nil, 1010, info))
  end)

  it("names what no retry would mend where no policy was asked for, and its fix", function()
    local sent = { code = 1010, reason = "permessage-deflate" }
    for _, case in ipairs {
      { { code = 1010, by = "client", opened = false, sent = sent }, "make it optional" },
      { { code = 1006, http = { status = 404 }, error = { name = "http" } }, "check the URL" },
      { { code = 1001, by = "peer", opened = true }, "the option retry is not set" },
      { { code = 1006, error = { name = "reset" } }, "the option retry is not set" },
    } do
      local sentence = retry.unasked(case[1])
      assert.truthy(sentence:find(case[2], 1, true), sentence)
      assert.truthy(sentence:find(case[1].code .. " ", 1, true) == 1, sentence)
    end
  end)

  it("says the same of 1010 where no name is known", function()
    assert_found("an extension that the client requires", refused(nil, 1010))
    assert_found("an extension that the client requires",
      refused(nil, 1010, { sent = { code = 1010, reason = "" } }))
  end)

  it("takes a code that came as a float", function()
    assert_near(2.5, fixed(0.5):next(1001.0))
    assert_found("1000 NORMAL is not retried", refused(nil, 1000.0))
  end)

  it("raises for a code that is no integer", function()
    for _, code in ipairs { 1000.5, 0 / 0, math.huge, "1001", {}, true } do
      local good, message = pcall(function() fixed(0):next(code) end)
      assert.equal(false, good)
      assert_found("next needs a close code, an integer, not", message)
      assert_found("retry_spec.lua", message)
    end
    assert.has_error(function() fixed(0):next(nil) end)
  end)

  it("raises for an info that is no table", function()
    local _, message = pcall(function() fixed(0):next(1006, "timeout") end)
    assert_found("next needs info as a table or nil, not string", message)
    assert_found("retry_spec.lua", message)
  end)
end)

describe("a close of the program's own", function()
  for _, code in ipairs { 1000, 1001, 1005, 1006, 1012, 4000 } do
    it(("is not retried: %d"):format(code), function()
      assert_found("the program closed the connection; ws:reconnect() connects anew",
        refused(nil, code, { by = "client", opened = true }))
    end)
  end

  it("is not retried whatever the options say", function()
    local asked = 0
    local function decide()
      asked = asked + 1
      return true
    end
    refused({ codes = { [1005] = true }, decide = decide }, 1005, { by = "client", opened = true })
    assert.equal(0, asked)
  end)

  it("is not retried when it cancels an attempt", function()
    refused(nil, 1006, { by = "client", opened = false })
    refused(nil, 1006, { by = "network", opened = false, error = { name = "cancelled" } })
  end)

  it("is not retried when the peer did not answer it in time", function()
    refused(nil, 1006, { by = "client", opened = true, error = { name = "close_timeout" } })
  end)

  it("is not the 1005 of a peer", function()
    assert.is_number(fixed(0):next(1005, { by = "peer", opened = true }))
  end)

  it("is not a fault that this client found", function()
    local lost = { by = "client", opened = true, error = { name = "ping_timeout" } }
    assert.is_number(fixed(0):next(1006, lost))
    local short = { by = "client", opened = true, error = { name = "memory" } }
    assert.is_number(fixed(0):next(1011, short))
  end)

  it("is not a 1010 for a missing extension, which the options may retry", function()
    local info = { by = "client", opened = false, sent = { code = 1010, reason = "x" } }
    assert.is_number(fixed(0, { codes = { [1010] = true } }):next(1010, info))
    refused({ codes = { [1010] = true } }, 1010, { by = "client", opened = true })
  end)
end)

describe("an attempt that never opened", function()
  for _, name in ipairs {
    "dns", "refused", "unreachable", "reset", "timeout", "eof", "proxy", "memory", "ping_timeout",
    "tls",
  } do
    it("is retried after " .. name, function()
      local info = { by = "network", opened = false, error = { name = name, phase = "tcp" } }
      assert_near(0.625, fixed(0.5):next(1006, info))
    end)
  end

  for _, case in ipairs {
    { "handshake", "see that the URL leads to a WebSocket server" },
    { "extension", "offer no extension" },
    { "protocol", "info.error.message" },
    { "redirect", "raise the option redirects" },
    { "url", "the URL is faulty" },
    { "utf8", "UTF-8" },
    { "too_big", "raise the limit" },
    { "deflate", '["permessage-deflate"] = false' },
  } do
    it(("is not retried after %s, and the fix is named"):format(case[1]), function()
      local info = { by = "client", opened = false, error = { name = case[1] } }
      assert_found(case[2], refused(nil, 1006, info))
    end)
  end

  it("is retried after 1006 codes = { [1006] = true } even then", function()
    local info = { by = "client", opened = false, error = { name = "handshake" } }
    assert.is_number(fixed(0, { codes = { [1006] = true } }):next(1006, info))
  end)

  it("is not retried for a certificate or host name, and is for a broken transport", function()
    local certificate = { name = "tls", phase = "tls", certificate = true }
    local transport = { name = "tls", phase = "tls" }
    assert_found("a certificate or host name stays wrong",
      refused(nil, 1015, { by = "network", error = certificate }))
    assert_found("a certificate or host name stays wrong",
      refused(nil, 1006, { by = "network", error = certificate }))
    assert.is_number(fixed(0):next(1015, { by = "network", error = transport }))
    assert.is_number(fixed(0):next(1015, { by = "network", error = { name = "reset" } }))
  end)

  it("is retried for a certificate where codes says so", function()
    local info = { by = "network", error = { name = "tls", certificate = true } }
    assert.is_number(fixed(0, { codes = { [1015] = true } }):next(1015, info))
  end)
end)

describe("a refused handshake", function()
  local function answer(status, headers)
    return {
      by = "network", opened = false, error = { name = "http", phase = "handshake" },
      http = { status = status, headers = headers or {}, body = "" },
    }
  end

  local RETRIED = { 408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530 }
  local retried = {}
  for _, status in ipairs(RETRIED) do retried[status] = true end

  it("is retried for 408, 425, 429, 500, 502-504, 520-524, 530 and no other status", function()
    for status = 200, 599 do
      local delay, why = fixed(0.5):next(1006, answer(status))
      assert((delay ~= nil) == (retried[status] or false), status)
      if not delay then assert_found(("the server answered %d"):format(status), why) end
    end
  end)

  for _, case in ipairs {
    { 300, "raise the option redirects" }, { 399, "raise the option redirects" },
    { 299, "check the URL" }, { 400, "check the URL" }, { 400, "Origin" }, { 403, "Origin" },
    { 404, "a proxy that does not forward Upgrade" }, { 401, "credentials" }, { 403, "right" },
    { 404, "path" }, { 407, "the option proxy" }, { 426, "version" }, { 200, "check the URL" },
    { 410, "check the URL" },
  } do
    it(("names what mends a %d"):format(case[1]), function()
      assert_found(case[2], refused(nil, 1006, answer(case[1])))
    end)
  end

  for _, case in ipairs {
    { 400, "the proxy answered 400, which waiting does not change; check the option proxy" },
    { 403, "the proxy answered 403, which waiting does not change; it does not let this client "
      .. "through to that host and port" },
    { 404, "the proxy answered 404, which waiting does not change; check the option proxy" },
    { 407, "the proxy answered 407, which waiting does not change; give the proxy's user and "
      .. "password in the option proxy" },
  } do
    it(("names what mends a proxy's own %d"):format(case[1]), function()
      local info = { opened = false, error = { name = "proxy", phase = "proxy", status = case[1] } }
      assert.equal("1006 ABNORMAL is not retried: " .. case[2], refused(nil, 1006, info))
    end)
  end

  it("goes by the status a proxy gave as well", function()
    local info = answer(407)
    info.error.name, info.error.phase = "proxy", "proxy"
    refused(nil, 1006, info)
    info.http.status = 502
    assert.is_number(fixed(0):next(1006, info))
  end)

  it("is told what to do by the option statuses", function()
    local options = { statuses = { [404] = true, [503] = false, [418] = 12.5 } }
    assert_near(0.625, fixed(0.5, options):next(1006, answer(404)))
    assert_near(12.5, fixed(0.5, options):next(1006, answer(418)))
    assert.equal("1006 ABNORMAL is not retried: the option statuses[503] says so",
      refused(options, 1006, answer(503)))
  end)

  it("asks statuses before codes, and both before the defaults", function()
    local options = { statuses = { [503] = false, [404] = 2 }, codes = { [1006] = 9 } }
    refused(options, 1006, answer(503))
    assert_near(2, fixed(0.5, options):next(1006, answer(404)))
    assert_near(9, fixed(0.5, options):next(1006, answer(401)))
  end)

  it("is none when the connection had been open, or was answered 101", function()
    local info = answer(404)
    info.opened, info.error.name = true, "eof"
    assert.is_number(fixed(0):next(1006, info))
    info = answer(101)
    info.error.name = "eof"
    assert.is_number(fixed(0):next(1006, info))
  end)

  it("is retried no sooner than Retry-After says, and up to as long again later", function()
    for _, jitter in ipairs { "full", "none" } do
      local info = answer(503, { ["retry-after"] = "120" })
      local least, most = bounds({ jitter = jitter }, 1006, info)
      assert_near(120, least)
      assert_near(120 + 120 * MOST, most)
    end
  end)

  it("is spread as widely afterwards, when the server refuses without a word", function()
    local policy = fixed(MOST)
    policy:next(1006, answer(503, { ["retry-after"] = "30" }))
    assert_near(0.25 + 30 * MOST, policy:next(1006, answer(502)))
  end)

  it("keeps the policy's own delay where that is longer than Retry-After", function()
    local info = answer(503, { ["retry-after"] = "2" })
    local policy = fixed(0)
    for _ = 1, 10 do policy:next(1006) end
    assert_near(60, policy:next(1006, info))
  end)

  it("reads Retry-After as a date, by the clock of the answer", function()
    local info = answer(429, {
      ["Retry-After"] = "Thu, 01 Jan 1970 00:02:40 GMT", Date = "Thu, 01 Jan 1970 00:01:10 GMT",
    })
    assert_near(90, fixed(0):next(1006, info))
  end)

  it("takes Retry-After for ten minutes at most", function()
    local least, most = bounds(nil, 1006, answer(503, { ["retry-after"] = "86400" }))
    assert_near(600, least)
    assert_near(600 + 600 * MOST, most)
  end)

  it("does not turn a no into a yes by Retry-After", function()
    refused(nil, 1006, answer(404, { ["retry-after"] = "5" }))
  end)

  it("lets seconds in statuses, codes and decide stand against Retry-After", function()
    local info = answer(503, { ["retry-after"] = "120" })
    assert_near(3, fixed(0.5, { statuses = { [503] = 3 } }):next(1006, info))
    assert_near(3, fixed(0.5, { codes = { [1006] = 3 } }):next(1006, info))
    assert_near(3, fixed(0.5, { decide = function() return 3 end }):next(1006, info))
  end)

  it("heeds Retry-After with statuses = { [503] = true }", function()
    local info = answer(503, { ["retry-after"] = "120" })
    assert(fixed(0, { statuses = { [503] = true } }):next(1006, info) >= 120)
  end)
end)

describe("the options codes and decide", function()
  it("overrule the table of codes: false, true, seconds", function()
    local codes = { [4004] = false, [1000] = true, [4010] = 5, [4011] = 0, [4012] = 500 }
    local options = { codes = codes }
    assert.equal("4004 PRIVATE is not retried: the option codes[4004] says so",
      refused(options, 4004))
    assert_near(0.625, fixed(0.5, options):next(1000, { by = "peer" }))
    assert_near(5, fixed(0.5, options):next(4010))
    assert_near(0, fixed(0.5, options):next(4011))
    assert_near(500, fixed(0.5, options):next(4012))
    assert_near(0.625, fixed(0.5, options):next(4005))
  end)

  it("may give a range, which is drawn from", function()
    for _, options in ipairs {
      { codes = { [4010] = { 5, 15 } } },
      { decide = function() return { 5, 15 } end },
    } do
      local least, most = bounds(options, 4010)
      assert_near(5, least)
      assert_near(5 + 10 * MOST, most)
    end
    local info = { opened = false, http = { status = 404, headers = {} } }
    assert_near(8, bounds({ statuses = { ["400-499"] = { 8, 9 } } }, 1006, info))
  end)

  it("may be for a range of codes; what is narrower knows better", function()
    local options = { codes = {
      ["4400-4429"] = false, ["4000-4999"] = 7, ["4410-4412"] = 3, [4411] = 9, ["1000-1000"] = 2,
    } }
    assert.equal("4400 PRIVATE is not retried: the option codes[4400-4429] says so",
      refused(options, 4400))
    for code, seconds in pairs { [4399] = 7, [4430] = 7, [4410] = 3, [4411] = 9, [1000] = 2 } do
      assert_near(seconds, fixed(0.5, options):next(code))
    end
  end)

  it("may say 0 once; twice in a row it is the floor", function()
    for _, options in ipairs {
      { decide = function() return 0 end },
      { codes = { [1006] = 0 } },
      { codes = { [1006] = { 0, 0 } } },
    } do
      assert_all_near({ 0, 0.25, 0.25 }, delays(fixed(0.5, options), 3))
    end
    local answers = { 0, 1, 0, 0 }
    local policy = fixed(0.5, { decide = function() return table.remove(answers, 1) end })
    assert_all_near({ 0, 1, 0, 0.25, 8.125 }, delays(policy, 5))
  end)

  it("ask decide with code, info and the number of the retry", function()
    local calls = {}
    local policy = fixed(0.5, {
      decide = function(code, info, attempt)
        calls[#calls + 1] = { code, info, attempt }
        return true
      end,
    })
    local info = { by = "peer" }
    policy:next(1000, info)
    policy:next(4999, info)
    assert.equal(2, #calls)
    assert.equal(1000, calls[1][1])
    assert.equal(info, calls[1][2])
    assert.equal(1, calls[1][3])
    assert.equal(2, calls[2][3])
  end)

  it("take decide's word before every table", function()
    local answers = { [1000] = true, [1001] = false, [4010] = 7 }
    local options = {
      codes = { [1000] = false, [1001] = true, [4010] = false, [1008] = true },
      decide = function(code) return answers[code] end,
    }
    assert_near(0.625, fixed(0.5, options):next(1000))
    assert.equal("1001 GOING_AWAY is not retried: the function decide says so",
      refused(options, 1001))
    assert_near(7, fixed(0.5, options):next(4010))
    assert_near(0.625, fixed(0.5, options):next(1008))
    refused(options, 1002)
  end)

  it("raise when decide gives something else", function()
    for _, answer in ipairs { "yes", -1, math.huge, {}, { 5, 1 } } do
      local policy = fixed(0, { decide = function() return answer end })
      local good, message = pcall(policy.next, policy, 1006)
      assert.equal(false, good)
      assert_found("decide must return true, false, seconds, { low, high } or nil, not", message)
    end
  end)

  it("let an error in decide through when all is done as if it had said nothing", function()
    local policy = fixed(0.5, {
      decide = function() error("mine", 0) end, codes = { [4000] = false },
    })
    assert.has_error(function() policy:next(1006) end, "mine")
    assert_near(0.625, policy.delay)
    assert.has_error(function() policy:next(1006) end, "mine")
    assert_near(1.125, policy.delay)
    assert.equal(2, policy.retries)
    assert.has_error(function() policy:next(4000) end, "mine")
    assert.equal(nil, policy.delay)
    assert_found("the option codes[4000] says so", policy.refused)
  end)
end)

describe("what keeps coming", function()
  local eof = { opened = false, error = { name = "eof", phase = "handshake" } }
  local status = { opened = false, http = { status = 500, headers = {} } }

  for _, case in ipairs {
    { "1011", 1011, nil, "1011 INTERNAL_ERROR", "codes = { [1011] = false }" },
    { "4001", 4001, nil, "4001 PRIVATE", "codes = { [4001] = false }" },
    { "HTTP 500", 1006, status, "status 500", "statuses = { [500] = false }" },
    { "an end during the handshake", 1006, eof, "an end during the handshake",
      "the option attempts" },
  } do
    local title, code, info, name, cure = case[1], case[2], case[3], case[4], case[5]
    it("slows down from the sixth in a row and does not give up: " .. title, function()
      local policy = fixed(0.5, { initial = 40, max = 40 })
      for n = 1, 50 do
        assert_near(n <= 5 and 30 or 90, policy:next(code, info))
        if n <= 5 then
          assert.equal(nil, policy.slowed)
        else
          assert_found(("%s came %d times in a row"):format(name, n), policy.slowed)
          assert_found(cure, policy.slowed)
        end
      end
    end)
  end

  it("begins a new row after something else", function()
    local policy = fixed(0.5, { initial = 40 })
    for _, code in ipairs { 1006, 4001 } do
      for _ = 1, 5 do assert_near(30, policy:next(1011)) end
      assert_near(30, policy:next(code))
    end
  end)

  it("begins a new row after a stable connection", function()
    local world = { random = 0 }
    local policy = scripted(nil, world)
    for _ = 1, 50 do
      policy:opened()
      world.now = world.now + 11
      policy:closed(true)
      policy:next(1011)
      assert.equal(nil, policy.slowed)
    end
  end)

  it("is no 1006, 1001, 1013 or 502, which pass by waiting", function()
    local gateway = { opened = false, http = { status = 502, headers = {} } }
    for _, case in ipairs { { 1006 }, { 1001 }, { 1014 }, { 3008 }, { 1006, gateway } } do
      local policy = fixed(0.5)
      for _ = 1, 50 do policy:next(case[1], case[2]) end
      assert.equal(nil, policy.slowed)
      assert_near(30, policy.delay)
    end
  end)
end)

describe("overload", function()
  local function refusal(code)
    return { opened = false, http = { status = code, headers = {} }, error = { name = "http" } }
  end
  local function timeout(phase)
    return { opened = false, error = { name = "timeout", phase = phase } }
  end

  for _, case in ipairs {
    { "1013", 1013 }, { "429", 1006, refusal(429) }, { "503", 1006, refusal(503) },
    { "a timeout of TLS", 1006, timeout "tls" },
    { "a timeout of the handshake", 1006, timeout "handshake" },
  } do
    it("raises the cap to overload_max for the rest of the run: " .. case[1], function()
      local policy = fixed(0.5)
      policy:next(case[2], case[3])
      for _ = 1, 10 do policy:next(1006) end
      assert_near(90, policy.delay)
      policy:reset()
      for _ = 1, 10 do policy:next(1006) end
      assert_near(30, policy.delay)
    end)
  end

  it("is not a timeout of TCP or of names, 502 or a lost connection", function()
    for _, info in ipairs { timeout "tcp", timeout "dns", refusal(502), { opened = true } } do
      local policy = fixed(0.5)
      for _ = 1, 10 do policy:next(1006, info) end
      assert_near(30, policy.delay)
    end
  end)

  it("has the ceiling that is given", function()
    local policy = fixed(0.5, { overload_max = 300 })
    for _ = 1, 12 do policy:next(1006, refusal(503)) end
    assert_near(225, policy.delay)
  end)
end)

describe("always", function()
  local feed = { always = true }

  it("retries what is refused by default, and more slowly from the sixth in a row on", function()
    for _, code in ipairs { 1000, 1002, 1003, 1007, 1008, 1009, 3000, 3003 } do
      local policy = fixed(0.5, feed)
      for n = 1, 20 do
        assert.is_number(policy:next(code, { by = "peer", opened = true }))
        assert.equal(n > 5, policy.slowed ~= nil)
      end
    end
    local policy = fixed(0.5, feed)
    for _ = 1, 6 do
      assert.is_number(policy:next(1006, { opened = false, http = { status = 404, headers = {} } }))
    end
    assert_found("statuses = { [404] = false }", policy.slowed)
    for _, name in ipairs { "handshake", "extension", "redirect", "too_big" } do
      assert.is_number(fixed(0.5, feed):next(1006, { error = { name = name } }))
    end
  end)

  it("ends with the program's close, a certificate, 1010 and a faulty URL", function()
    refused(feed, 1000, { by = "client", opened = true })
    refused(feed, 1006, { by = "network", error = { name = "cancelled" } })
    refused(feed, 1015, { error = { name = "tls", certificate = true } })
    refused(feed, 1006, { error = { name = "tls", certificate = true } })
    refused(feed, 1010, { by = "client", opened = false, sent = { code = 1010, reason = "x" } })
    refused(feed, 1006, { error = { name = "url" } })
  end)

  it("leaves the other options their word", function()
    refused({ always = true, codes = { [1000] = false } }, 1000)
    refused({ always = true, decide = function() return false end }, 1001)
  end)
end)

describe("a Close whose code may not travel", function()
  it("is retried like 1005, though 1002 was the answer", function()
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
      local info = { by = "client", opened = true, received = { code = code, reason = "" },
        error = { name = "protocol", phase = "open" } }
      assert.is_number(fixed(0.5):next(1002, info), code)
      refused({ codes = { [1002] = false } }, 1002, info)
    end
  end)

  it("is not any other fault in the protocol", function()
    refused(nil, 1002, { by = "client", opened = true, error = { name = "protocol" } })
    refused(nil, 1002, { by = "peer", opened = true, received = { code = 1002, reason = "" } })
  end)
end)

describe("a hint in a close reason", function()
  local function told(reason, code, options)
    local all = { hints = true }
    for name, value in pairs(options or {}) do all[name] = value end
    local info = { by = "peer", opened = true, received = { code = code or 1001, reason = reason } }
    return bounds(all, code or 1001, info)
  end

  it("is the first window, wider than max too", function()
    local least, most = told "restart, retry=20-300"
    assert_near(20, least)
    assert_near(20 + 280 * MOST, most)
    least, most = told("retry=5", 1006)
    assert_near(5, least)
    assert_near(5 + 5 * MOST, most)
  end)

  it("is nothing without the option hints, nor does it turn a no into a yes", function()
    local _, most = told("retry=20-300", 1001, { hints = false })
    assert_near(5 * MOST, most)
    refused({ hints = true }, 1000, { by = "peer", received = { code = 1000, reason = "retry=5" } })
  end)

  it("is nothing where it cannot be read", function()
    local _, most = told "retry=soon"
    assert_near(5 * MOST, most)
  end)
end)

describe("the counter", function()
  local function lived(policy, world, seconds, came_in)
    policy:opened()
    world.now = world.now + seconds
    policy:closed(came_in)
  end

  local function failed_thrice(options)
    local world = { random = 0 }
    local policy = scripted(options or { jitter = "none" }, world)
    delays(policy, 3)
    assert.equal(3, policy.retries)
    return policy, world
  end

  it("goes back to 0 after 10 s with something received", function()
    local policy, world = failed_thrice()
    lived(policy, world, 10, true)
    assert.equal(0, policy.retries)
    assert_near(1, policy:next(1005))
  end)

  it("gives the first delay of a code again after a stable connection", function()
    local policy, world = failed_thrice()
    lived(policy, world, 10, true)
    world.random = 0.5
    assert_near(2.5, policy:next(1001))
  end)

  it("does not after less than 10 s", function()
    local policy, world = failed_thrice()
    lived(policy, world, 9.99, true)
    assert_near(8, policy:next(1006))
  end)

  it("does not when nothing came in", function()
    local policy, world = failed_thrice()
    lived(policy, world, 1000, false)
    assert_near(8, policy:next(1006))
  end)

  it("does not on opening: a server that accepts and closes at once is not hammered", function()
    local world = { random = 0 }
    local policy = scripted({ jitter = "none", first = false }, world)
    for n = 0, 5 do
      lived(policy, world, 0.01, true)
      assert_near(2 ^ n, policy:next(1001))
    end
  end)

  it("reckons with the time open, not with the time since", function()
    local policy, world = failed_thrice()
    lived(policy, world, 1, true)
    world.now = world.now + 100
    assert_near(8, policy:next(1006))
  end)

  it("takes next() for the end where closed() was not called", function()
    local policy, world = failed_thrice()
    policy:opened()
    world.now = world.now + 10
    assert_near(0, policy:next(1006))
    assert.equal(1, policy.retries)
  end)

  it("forgets the opening once the end was told", function()
    local policy, world = failed_thrice()
    lived(policy, world, 1, true)
    world.now = world.now + 100
    policy:closed(true)
    assert.equal(3, policy.retries)
  end)

  it("obeys stable_after", function()
    local policy, world = failed_thrice { jitter = "none", stable_after = 60 }
    lived(policy, world, 59, true)
    assert.equal(3, policy.retries)
    lived(policy, world, 60, true)
    assert.equal(0, policy.retries)
  end)

  it("goes back to 0 with reset()", function()
    local policy = failed_thrice()
    policy:next(1002)
    policy:reset()
    assert.equal(nil, policy.refused)
    assert_near(1, policy:next(1006))
  end)

  it("is kept over a wait that is cut short: the network is back, retry now", function()
    local world = { random = 0 }
    local policy = scripted({ jitter = "none" }, world)
    for n = 0, 5 do assert_near(2 ^ n, policy:next(1006)) end
    assert.equal(1000, world.now)
  end)

  it("does not count what was refused", function()
    local policy = failed_thrice()
    policy:next(1002)
    assert.equal(3, policy.retries)
    assert_found("1002 PROTOCOL_ERROR", policy.refused)
    policy:next(1006)
    assert.equal(nil, policy.refused)
  end)

  it("starts decorrelated delays anew", function()
    local world = { random = 0.5 }
    local policy = scripted({ jitter = "decorrelated" }, world)
    delays(policy, 5)
    lived(policy, world, 10, true)
    assert_near(2, policy:next(1005))
  end)
end)

describe("the limits of a run", function()
  it("end after so many attempts", function()
    local policy = fixed(0, { attempts = 3 })
    delays(policy, 3)
    local delay, why = policy:next(1006)
    assert.equal(nil, delay)
    assert.equal("1006 ABNORMAL is not retried: 3 retries in a row are as many as the option "
      .. "attempts allows", why)
    assert.equal(why, policy.refused)
    policy = fixed(0, { attempts = 1 })
    delays(policy, 1)
    assert.equal("1006 ABNORMAL is not retried: 1 retry is as many as the option attempts allows",
      select(2, policy:next(1006)))
  end)

  it("allow none with attempts = 0", function()
    assert_found("0 retries", refused({ attempts = 0 }, 1006))
  end)

  it("hold for seconds from codes and decide as well", function()
    local policy = fixed(0, { attempts = 2, decide = function() return 1 end })
    delays(policy, 2)
    assert.equal(nil, policy:next(1006))
  end)

  it("count anew after a stable connection", function()
    local world = { random = 0 }
    local policy = scripted({ attempts = 3, elapsed = 100 }, world)
    for _ = 1, 5 do
      delays(policy, 3)
      policy:opened()
      world.now = world.now + 90
      policy:closed(true)
    end
  end)

  it("end at elapsed, the last delay cut to what is left", function()
    local world = { random = 0, now = 1000 }
    local policy = scripted({ jitter = "none", elapsed = 20 }, world)
    local waits = {}
    for _ = 1, 9 do
      local delay, why = policy:next(1006)
      if not delay then
        assert_found("later than the 20 s that the option elapsed allows", why)
        break
      end
      waits[#waits + 1] = delay
      world.now = world.now + delay
    end
    assert_all_near({ 1, 2, 4, 8, 5 }, waits)
  end)

  it("leave a rule's delay alone that ends within elapsed", function()
    local policy = fixed(0, { elapsed = 0.5, codes = { [1011] = 0.2 } })
    assert_near(0.2, policy:next(1011))
  end)

  it("let an attempt begin exactly at elapsed", function()
    assert_near(1, fixed(0, { jitter = "none", elapsed = 1 }):next(1006))
    assert_found("later than the 0 s", refused({ elapsed = 0 }, 1006))
  end)

  it("do not cut a delay below what the server asks for", function()
    local info = { opened = false, http = { status = 503, headers = { ["retry-after"] = "30" } } }
    assert_near(40, fixed(0.5, { elapsed = 40 }):next(1006, info))
    assert_found("later than the 29 s", refused({ elapsed = 29 }, 1006, info))
    assert_found("later than the 9 s", refused({ elapsed = 9 }, 1013))
  end)

  it("say why the code is not retried rather than that a limit is reached", function()
    assert_found("the program closed",
      refused({ attempts = 0 }, 1006, { by = "client", opened = true }))
  end)
end)

describe("retry.new", function()
  it("takes true and nil for the defaults, which are shared", function()
    assert.is_number(retry.new(true):next(1006))
    assert.is_number(retry.new():next(1006))
    assert.equal(retry.new(true).options, retry.new().options)
  end)

  it("takes the name of a profile", function()
    assert.equal("fleet", retry.new("fleet").options.profile)
    assert.has_error(function() retry.new "flet" end)
  end)

  it("gives a policy back as it is", function()
    local policy = retry.new()
    assert.equal(policy, retry.new(policy))
  end)

  it("raises with the option's name at the caller's line", function()
    local _, message = pcall(function() retry.new { intial = 2 } end)
    assert_found("retry_spec.lua", message)
    assert_found("wsclose.retry: unknown option 'intial'; did you mean 'initial'?", message)
  end)

  it("takes clock and random from the system where the options do not give them", function()
    local system = { clock = function() return 5 end, random = function() return 0.5 end }
    local policy = retry.new({ elapsed = 3 }, system)
    assert_near(0.625, policy:next(1006))
    policy = retry.new({ random = function() return 0 end }, system)
    assert_near(0.25, policy:next(1006))
  end)

  it("does not change when its options table is changed afterwards", function()
    local options = { first = { [1001] = { 1, 1 } }, codes = { [4000] = false }, max = 60 }
    local policy = retry.new(options)
    options.first[1001][1], options.first[1001][2], options.codes[4000], options.max = 9, 9, true, 1
    assert_near(1, policy:next(1001))
    assert.equal(nil, policy:next(4000))
  end)

  it("shares nothing between policies", function()
    local one, other = retry.new(), retry.new()
    one:next(1006)
    assert.equal(1, one.retries)
    assert.equal(0, other.retries)
  end)

  it("draws from 0 on where it has no random of its own", function()
    local random = require "wsclose.retry_random"
    assert.equal(0, random.new(1899818559)()) -- whose next state is 1, the least
    assert.equal(1 - 1 / 2147483646, random.new(2147483647 - 1899818559)()) -- the greatest
  end)

  it("raises when random gives something that is no number in [0, 1)", function()
    for _, number in ipairs { -0.1, 1, 1.5, 0 / 0, "half", false } do
      local policy = retry.new { random = function() return number end }
      local good, message = pcall(policy.next, policy, 1006)
      assert.equal(false, good)
      assert_found("random must return a number in [0, 1), not", message)
    end
  end)

  it("leaves the state of math.random alone", function()
    math.randomseed(42)
    local expected = { math.random(1000000), math.random(1000000) }
    math.randomseed(42)
    local first = math.random(1000000)
    delays(retry.new(), 20)
    assert.same(expected, { first, math.random(1000000) })
  end)

  it("draws other numbers for each policy", function()
    local seen = {}
    for _ = 1, 200 do
      local delay = retry.new():next(1006)
      assert(delay >= 0.25 and delay < 1)
      assert.equal(nil, seen[delay])
      seen[delay] = true
    end
  end)

  it("finds a seed without /dev/urandom", function()
    local open = io.open
    io.open = function() return nil, "no such file" end -- luacheck: ignore
    local good, one, other = pcall(function()
      return retry.new():next(1006), retry.new():next(1006)
    end)
    io.open = open -- luacheck: ignore
    assert(good, one)
    assert(one >= 0.25 and one < 1 and one ~= other)
  end)
end)

describe("call", function()
  local function recorder()
    local slept = {}
    return slept, function(seconds) slept[#slept + 1] = seconds end
  end

  it("calls the function with the attempt until it returns something true", function()
    local slept, sleep = recorder()
    local attempts = {}
    local a, b, c = fixed(0.5):call(function(attempt)
      attempts[#attempts + 1] = attempt
      if attempt < 4 then return nil, "not yet" end
      return "done", nil, 7
    end, sleep)
    assert.same({ 1, 2, 3, 4 }, attempts)
    assert_all_near({ 0.625, 1.125, 2.125 }, slept)
    assert.equal("done", a)
    assert.equal(nil, b)
    assert.equal(7, c)
  end)

  it("gives back what the function returned last when the policy says no", function()
    local slept, sleep = recorder()
    local policy = fixed(0, { attempts = 2 })
    local info = {}
    local values = { policy:call(function(attempt)
      return false, "fault " .. attempt, nil, info
    end, sleep) }
    assert.equal(false, values[1])
    assert.equal("fault 3", values[2])
    assert.equal(info, values[4])
    assert.equal(2, #slept)
    assert_found("2 retries in a row", policy.refused)
  end)

  it("waits with the option sleep where none is given", function()
    local slept, sleep = recorder()
    local policy = fixed(0, { sleep = sleep, attempts = 1 })
    policy:call(function() end)
    assert_all_near({ 0.25 }, slept)
    slept, sleep = recorder()
    retry.new({ attempts = 1 }, { sleep = sleep }):call(function() end)
    assert.equal(1, #slept)
  end)

  it("begins each call with a counter of its own", function()
    local _, sleep = recorder()
    local policy = fixed(0, { attempts = 2 })
    for _ = 1, 3 do
      local count = 0
      policy:call(function() count = count + 1 end, sleep)
      assert.equal(3, count)
    end
  end)

  it("reads what wsclose.connect returns: a fault that lasts is not tried again", function()
    local slept, sleep = recorder()
    local policy = fixed(0)
    assert.equal(nil, policy:call(function() return nil, "bad URL", "url" end, sleep))
    assert_found("the URL is faulty", policy.refused)
    assert.equal(nil, policy:call(function()
      return nil, "404", "http", { name = "ABNORMAL", http = { status = 404, headers = {} } }
    end, sleep))
    assert_found("the server answered 404", policy.refused)
    assert.equal(nil, policy:call(function()
      local info = { name = "MANDATORY_EXTENSION", by = "client", opened = false }
      return nil, "no deflate", "extension", info
    end, sleep))
    assert_found("1010 MANDATORY_EXTENSION", policy.refused)
    assert.equal(nil, policy:call(function() return nil, "x", nil, { code = 3000 } end, sleep))
    assert_found("3000 UNAUTHORIZED", policy.refused)
    assert.equal(0, #slept)
  end)

  it("hands the fault to decide", function()
    local _, sleep = recorder()
    local seen
    fixed(0, {
      decide = function(code, info)
        seen = { code, info.error.message }
        return false
      end,
    }):call(function() return nil, "disk full" end, sleep)
    assert.same({ 1006, "disk full" }, seen)
  end)

  it("lets an error of the function through", function()
    local _, sleep = recorder()
    assert.has_error(function() fixed(0):call(function() error("mine", 0) end, sleep) end, "mine")
  end)

  it("goes on for as long as the policy lets it, without growing the stack", function()
    local count = 0
    fixed(0):call(function()
      count = count + 1
      return count == 100000
    end, function() end)
    assert.equal(100000, count)
  end)

  it("runs a function that yields", function()
    local thread = coroutine.create(function()
      return fixed(0):call(function(attempt) return coroutine.yield("try", attempt) end,
        function(seconds) coroutine.yield("sleep", seconds) end)
    end)
    assert.same({ true, "try", 1 }, { coroutine.resume(thread) })
    assert.same({ true, "sleep", 0.25 }, { coroutine.resume(thread, nil) })
    assert.same({ true, "try", 2 }, { coroutine.resume(thread) })
    assert.same({ true, "here" }, { coroutine.resume(thread, "here") })
  end)

  it("raises without a function to call or to wait with", function()
    local _, sleep = recorder()
    local _, message = pcall(function() fixed(0):call("f", sleep) end)
    assert_found("call needs a function to retry, not string", message)
    assert_found("retry_spec.lua", message)
    _, message = pcall(function() fixed(0):call(function() end) end)
    assert_found("give it as the second argument or as the option sleep", message)
    assert_found("retry_spec.lua", message)
  end)
end)
