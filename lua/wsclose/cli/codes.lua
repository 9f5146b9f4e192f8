--- `wsclose explain` and `wsclose compare`: close_codes.lua for people at a terminal.

local close_codes = require "wsclose.close_codes"

local codes = {}

local function described(entry)
  local lines = { ("%.0f %s"):format(entry.code, entry.name), "  " .. entry.summary, "" }
  local function add(label, text) lines[#lines + 1] = ("  %-9s %s"):format(label, text) end
  add("when", entry.when)
  add("fix", entry.fix)
  add("sent by", entry.sent_by)
  add("retried", (entry.retry and "yes: " or "no: ") .. entry.retry_why)
  return table.concat(lines, "\n") .. "\n"
end

local function code_of(word)
  local code = word and word:find "^%-?%d+$" and tonumber(word)
  if not code then error(("expected a close code, got '%s'"):format(word or "nothing"), 0) end
  return code
end

--- Raises where `word` is no whole number.
---@param word string
---@return string
function codes.explain(word)
  return described(close_codes.explain(code_of(word)))
end

---@param a string
---@param b string
---@return string
function codes.compare(a, b)
  local one, other, difference = close_codes.compare(code_of(a), code_of(b))
  return described(one) .. "\n" .. described(other) .. "\n" .. difference .. "\n"
end

return codes
