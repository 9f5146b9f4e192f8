--- The Retry-After header, RFC 9110 10.2.3: how long a server asks to be left alone.

local retry_after = {}

local SECONDS_MAX = 600
local JITTER = 0.1

local MONTHS = { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6,
  jul = 7, aug = 8, sep = 9, oct = 10, nov = 11, dec = 12 }

-- Days since 1970-01-01 in the Gregorian calendar; the year begins in March, so that a leap day is
-- its last.
local function days_since_epoch(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local leaps = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return 365 * year + leaps + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

-- Seconds since the epoch of an HTTP-date in any of its three forms, RFC 9110 5.6.7; else nil.
local function http_date(text)
  local day, month, year, clock = text:match "^%a+, (%d%d)[ -](%a%a%a)[ -](%d+) ([%d:]+) GMT$"
  if not day then
    month, day, clock, year = text:match "^%a%a%a (%a%a%a) +(%d+) ([%d:]+) (%d%d%d%d)$"
  end
  local hour, minute, second = (clock or ""):match "^(%d%d):(%d%d):(%d%d)$"
  month = month and MONTHS[month:lower()]
  if not (month and hour) then return nil end
  year = tonumber(year)
  if year < 100 then year = year + (year < 70 and 2000 or 1900) end
  local days = days_since_epoch(year, month, tonumber(day))
  return ((days * 24 + tonumber(hour)) * 60 + tonumber(minute)) * 60 + tonumber(second)
end

-- A header's first value; the headers may be a map or a list of pairs, names in any case.
local function header(headers, name)
  for key, value in pairs(type(headers) == "table" and headers or {}) do
    if type(key) == "number" and type(value) == "table" then
      key, value = value[1] or value.name, value[2] or value.value
    end
    if type(value) == "table" then value = value[1] end
    if type(key) == "string" and key:lower() == name and value ~= nil then
      return tostring(value):match "^%s*(.-)%s*$"
    end
  end
end

--- Seconds that the server asks for.
---@param headers? table the answer's: a map, or a list of pairs; names in any case
---@return number seconds 0: it asks for none, or for what nobody can read
function retry_after.seconds(headers)
  local text = header(headers, "retry-after")
  if not text then return 0 end
  if text:match "^%d+$" then return tonumber(text) end
  local date = http_date(text)
  if not date then return 0 end
  -- The server's own clock is the one it reckons by; ours may stand wrong by hours.
  local now = http_date(header(headers, "date") or "") or os.time()
  return math.max(0, date - now)
end

--- `delay`, lengthened to what the server asked for and up to 10 % more.  Ten minutes are the most:
--- who is asked for longer comes up to 10 % sooner than that, so that clients stay spread out.
---@param delay number seconds
---@param asked number seconds
---@param random number in [0, 1)
---@return number delay
function retry_after.lengthen(delay, asked, random)
  if asked > SECONDS_MAX then return math.max(delay, SECONDS_MAX * (1 - JITTER * random)) end
  local room = math.min(JITTER * asked, SECONDS_MAX - asked)
  return math.max(delay, asked + random * room)
end

return retry_after
