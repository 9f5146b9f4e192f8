-- Writes docs/close-codes.md from lua/wsclose/close_codes.lua.  From the repository's root:
--   lua scripts/close_codes_doc.lua
-- With the argument "text" it returns the page instead.

package.path = "./lua/?.lua;" .. package.path
local close_codes = require "wsclose.close_codes"

local INTRO = [[
# Close codes

<!-- Made by scripts/close_codes_doc.lua from lua/wsclose/close_codes.lua; change it there. -->

A connection closed with a number. Find it in the table and do what the last column says; more about
each code stands below. In a program the same is at hand as `wsclose.explain(code)`, and
`wsclose.compare(a, b)` says how two codes differ.

- **Is it my fault or the server's?** `info.by` in `on_close` says who ended the connection, and
  `tostring(info)` tells the whole story in one sentence.
- **1005, 1006 and 1015 never come from the peer.** They describe what happened at this end; the
  cause stands in `info.error`.
- **Retried** means: with `retry = true`, without options of your own. See [retry.md](retry.md).
- **What goes out and what follows**, however a connection ends: [close-matrix.md](close-matrix.md).
]]

local TWINS = [[
## 1001 or 1010?

%s

| | 1001 GOING_AWAY | 1010 MANDATORY_EXTENSION |
| --- | --- | --- |
%s]]

-- What of the entries' plain text is code.
local CODE = {
  "retry = %b{}", "retry = true", "codes = %b{}", "tls = %b{}", "ws:%l+%b()", "info%.[%l.]*%l",
  "limits%.message", "before_connect", "on_frame", "Sec%-WebSocket%-Extensions",
  "permessage%-deflate",
}

local function marked(text)
  for _, pattern in ipairs(CODE) do
    local outside = true
    text = text:gsub("[^`]+", function(part)
      local marks = outside and part:gsub(pattern, "`%0`") or part
      outside = not outside
      return marks
    end)
  end
  return text
end

local function code_text(row)
  if row.code then return tostring(row.code) end
  if not row.from then return "below 0" end
  if not row.to then return "from " .. row.from end
  local range = row.from .. "–" .. row.to
  return row.name == "REGISTERED" and "other " .. range or range
end

local function anchor(row)
  return "c" .. (row.code or row.from or "-negative")
end

local function title(row)
  return code_text(row) .. " " .. row.name
end

local function delays(row)
  local parts = {}
  local first = row.first
  if first then
    local when = row.first_when and (" (%s)"):format(row.first_when) or ""
    parts[#parts + 1] = ("first delay %d–%d s%s"):format(first[1], first[2], when)
    if first[1] > 0 then parts[#parts + 1] = ("none under %d s"):format(first[1]) end
  end
  if row.in_a_row then
    parts[#parts + 1] = ("more slowly after %d in a row"):format(row.in_a_row)
  end
  return table.concat(parts, ", ")
end

local function retried(row)
  local answer = row.retry and "yes" or "no"
  local how = delays(row)
  if how ~= "" then answer = answer .. ", " .. how end
  return row.exception and answer .. "; " .. row.exception or answer
end

local function table_line(row)
  return ("| [%s](#%s) | %s | %s | %s | %s |"):format(
    code_text(row), anchor(row), row.name, row.summary, retried(row), marked(row.fix))
end

local function section(row)
  return table.concat({
    ('<a id="%s"></a>'):format(anchor(row)),
    ("### %s\n"):format(title(row)),
    row.summary .. "\n",
    "- **When you meet it:** " .. marked(row.when),
    "- **What to do:** " .. marked(row.fix),
    ("- **Sent by:** %s."):format(row.sent_by),
    ("- **Retried:** %s: %s."):format(retried(row), marked(row.retry_why)),
    "",
  }, "\n")
end

local function twins()
  local a, b, line = close_codes.compare(1001, 1010)
  local lines = {}
  for _, field in ipairs {
    { "means", "summary" },
    { "is met", "when" },
    { "is mended so", "fix" },
    { "is sent by", "sent_by" },
  } do
    local key = field[2]
    lines[#lines + 1] = ("| %s | %s | %s |"):format(field[1], marked(a[key]), marked(b[key]))
  end
  lines[#lines + 1] = ("| is retried | %s | %s |\n"):format(retried(a), retried(b))
  return TWINS:format(line, table.concat(lines, "\n"))
end

local function page()
  local lines = {
    INTRO,
    "| code | name | means | retried | what to do |",
    "| --- | --- | --- | --- | --- |",
  }
  local sections = {}
  for _, row in ipairs(close_codes.rows()) do
    lines[#lines + 1] = table_line(row)
    sections[#sections + 1] = section(row)
  end
  lines[#lines + 1] = "\n" .. twins()
  lines[#lines + 1] = "## Each code\n"
  return table.concat(lines, "\n") .. "\n" .. table.concat(sections, "\n")
end

if ... == "text" then return page() end
local file = assert(io.open("docs/close-codes.md", "wb"))
file:write(page())
file:close()
