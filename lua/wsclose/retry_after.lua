--- How long a server asks to be left alone: the Retry-After header, RFC 9110 10.2.3, and a hint in
-- the reason of a Close frame.

local retry_after = {}

-- Who asks for longer gets a try all the same: nobody mends a typing mistake in a thousand clients.
local SECONDS_MAX = 600

local MONTHS = { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6,
  jul = 7, aug = 8, sep = 9, oct = 10, nov = 11, dec = 12 }

-- Days since 1970-01-01 in the Gregorian calendar; the year begins in March, so that a leap day is
-- its last.
local function days_since_epoch(year, month, day)
  local years, months = year, month
  if month <= 2 then years, months = year - 1, month + 12 end
  local leaps = math.floor(years / 4) - math.floor(years / 100) + math.floor(years / 400)
  return 365 * years + leaps + math.floor((153 * (months - 3) + 2) / 5) + day - 1 - 719468
end

-- Seconds since the epoch of an HTTP-date in any of its three forms, RFC 9110 5.6.7; else nil.
-- `text` has no comma behind the day's name.
local function http_date(text)
  local day, month, year, clock = text:match "^%a+ (%d%d)[ -](%a%a%a)[ -](%d+) ([%d:]+) GMT$"
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

-- Calls visit with each value of a header: of a list, of several lines, names in any case.  The
-- headers may be a map, a map of lists, or a list of pairs.
local function each_value(headers, name, visit)
  for at, field in pairs(type(headers) == "table" and headers or {}) do
    local key, value = at, field
    if type(at) == "number" and type(field) == "table" then
      key, value = field[1] or field.name, field[2] or field.value
    end
    if type(key) == "string" and key:lower() == name then
      for _, line in ipairs(type(value) == "table" and value or { value }) do
        -- the comma of a date is none of a list
        local dates = tostring(line):gsub("(%a), (%d%d[ -]%a)", "%1 %2")
        for item in dates:gmatch "[^,]+" do visit(item:match "^%s*(.-)%s*$") end
      end
    end
  end
end

-- The server's own clock is the one it reckons by; ours may stand wrong by hours.
local function time_of(headers)
  local time
  each_value(headers, "date", function(item) time = time or http_date(item) end)
  return time or os.time()
end

--- Seconds that the server asks for: the most of what it says.
---@param headers? table the answer's: a map, or a list of pairs; names in any case
---@return number seconds 0: it asks for none, or for what nobody can read; at most ten minutes
function retry_after.seconds(headers)
  local most = 0
  each_value(headers, "retry-after", function(item)
    local date = http_date(item)
    local asked = date and date - time_of(headers)
      or (item:match "^%d+$" or item:match "^%d+%.%d+$") and tonumber(item) or 0
    most = math.max(most, asked)
  end)
  return math.min(most, SECONDS_MAX)
end

--- The window that spreads clients who are all asked for the same: a bound with little above it
-- brings them back at one moment.
---@param asked number seconds
---@return number[] window
function retry_after.window(asked)
  return { asked, 2 * asked }
end

--- The window that a close reason names: "retry=5-30", or "retry=5" for 5 to 10 s.
---@param reason? string
---@return number[]? window
function retry_after.hint(reason)
  if type(reason) ~= "string" then return nil end
  -- a dot that no digit follows ends a sentence
  local words = (" " .. reason .. " "):gsub("%.(%D)", " %1")
  local low, high = words:match "[^%w_]retry=([%d.]+)%-([%d.]+)[^%w_-]"
  low = tonumber(low or words:match "[^%w_]retry=([%d.]+)[^%w_-]")
  if not low then return nil end
  low = math.min(low, SECONDS_MAX)
  if not high then return retry_after.window(low) end
  high = math.min(tonumber(high) or -1, 2 * SECONDS_MAX)
  return high >= low and { low, high } or nil
end

return retry_after
