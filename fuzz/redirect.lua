--- Where a redirect leads, and how long a server asks to be left alone: redirect.lua with the
-- core's splitter, retry_after.lua.
--
-- Input: two texts parted by a NUL: a URL and the Location of its answer.  Either is a Retry-After
-- too, and the reason of a Close.
--
-- Held: what may be followed is a URL that the core takes, of the scheme, host and port that were
-- judged, never from wss to ws, without fragment and dots, and means the same when it is resolved
-- again; credentials go to the same origin only; no sentence has the password, which is nowhere
-- else.  Delays are numbers within their bounds.

local close_info = require "wsclose.close_info"
local options = require "wsclose.options"
local redirect = require "wsclose.redirect"
local retry_after = require "wsclose.retry_after"

local function check(condition, text)
  if not condition then error("fuzz: " .. text, 0) end
end

local SENTENCE_MAX = 5000 -- an input has 2000 bytes at most, and a sentence may quote it twice

local function check_sentence(sentence)
  check(type(sentence) == "string" and sentence ~= "", "no sentence")
  check(#sentence < SENTENCE_MAX, "a sentence without end")
  check(not sentence:find("hunter2", 1, true), "a sentence with a password")
end

local function check_target(url, location, target)
  check(options.check_url(target), "it leads to no URL: " .. target)
  check(not target:find "#", "a fragment is sent")
  local path = target:match "^%a+://[^/?]*([^?]*)"
  check(path:sub(1, 1) == "/" and not (path .. "/"):find "/%.%.?/", "dots are sent: " .. path)
  local from, to = redirect.origin(url), redirect.origin(target)
  check(not from:find "^wss" or to:find "^wss", "from wss to ws")
  local again = redirect.target(url, target)
  check(again == target, "resolved again it leads to " .. tostring(again) .. ", not " .. target)
  -- only the same server is shown who the client is
  local tells_user = from ~= to and not location:find "@" and target:find "^%a+://[^/?]*@"
  check(not tells_user, "userinfo goes elsewhere")
end

local function follow(url, location)
  local ok, sentence = options.check_url(url)
  if not ok then check_sentence(sentence) return end
  local target, why = redirect.target(url, location)
  if target then check_target(url, location, target) else check_sentence(why) end
  check_sentence(close_info.shown_url(target or url))
end

local DELAY_MAX = 600

local function delay(text)
  for _, headers in ipairs {
    { ["Retry-After"] = text }, { { "retry-after", text }, { "Date", text } },
    { ["retry-after"] = { text, "5" }, date = "Sun, 06 Nov 1994 08:49:37 GMT" },
  } do
    local seconds = retry_after.seconds(headers)
    check(seconds >= 0 and seconds <= DELAY_MAX, "Retry-After gives " .. tostring(seconds))
  end
  local window = retry_after.hint(text)
  if window then
    check(window[1] >= 0 and window[2] >= window[1] and window[2] <= 2 * DELAY_MAX, "a wild hint")
  end
end

return function(bytes)
  local at = bytes:find("\0", 1, true) or #bytes + 1
  local first, second = bytes:sub(1, at - 1), bytes:sub(at + 1)
  -- no control byte comes through the parser of HTTP heads
  second = second:gsub("[%z\1-\8\10-\31\127]", ""):gsub("hunter2", "*")
  first = first:gsub("hunter2", "*")
  follow(first, second)
  follow("ws://user:hunter2@a.example:81/x/y?q", first)
  follow("wss://a.example", second)
  for _, front in ipairs { "", "//", "ws:", "wss:/", "http://", "ftp://" } do
    follow("wss://a.example", front .. "user:hunter2@" .. second)
    follow(front .. "user:hunter2@" .. second, "/")
  end
  delay(first)
  delay(second)
end
