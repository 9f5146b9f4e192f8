-- Writes docs/close-matrix.md from spec/support/close_matrix.lua.  From the repository's root:
--   lua scripts/close_matrix_doc.lua
-- With the argument "text" it returns the page instead.

package.path = "./lua/?.lua;./spec/?.lua;" .. package.path
local close_codes = require "wsclose.close_codes"
local close_matrix = require "support.close_matrix"

local INTRO = [[
# Every way a connection ends

<!-- Made by scripts/close_matrix_doc.lua from spec/support/close_matrix.lua; change it there. -->

What goes out, what `on_close` is told, and what follows: %d situations. The suite plays each
(`make test SPEC=spec/conformance/close_matrix_spec.lua`): on the scripted clock, over a socket, and
over TLS where that may differ; with and without `retry`. What a code means, and what to do about
it: [close-codes.md](close-codes.md).

- **goes out**: the client's frames, in the order in which the server reads them; "…" is the
  reason that `on_close` gets.
- **`on_close`**: code and reason. It is called once. `close()` and `leave()` tell nothing more
  afterwards; they end a wait for the next attempt. Before the first `update` there is nothing to
  end, and nothing is told.
- **`info`**: `clean` or not; `by`; `opened`, unless "not opened"; `received`, where it differs from
  code and reason; messages given, `dropped`, bytes `undelivered`. `sent` is the Close that left.
- **`info.error`**: its name, and the phase in which it was met.
- **retried**: with `retry = true`, after how long the first time; more in [retry.md](retry.md).
- **after**: how long it takes, on the client's clock.
]]

local HEAD = "| what happens | goes out | `on_close` | `info` | `info.error` | retried | after |\n"
  .. ("| --- "):rep(7) .. "|"

local function told(row)
  local code, rest = row.told:match "^(%d+)(.*)$"
  return ("%s %s%s"):format(code, close_codes.explain(tonumber(code)).name, rest)
end

local function after(row)
  if not row.waits then return "at once" end
  local names, total = {}, 0
  for i, name in ipairs(row.waits) do
    names[i] = "`" .. name .. "`"
    total = total + close_matrix.seconds(row, name)
  end
  return ("%s: %g s"):format(table.concat(names, " + "), total)
end

local function where(row)
  local only = row.ways and #row.ways == 1 and row.ways[1]
  return row[1] .. (only == "over TLS" and " (TLS)" or only and " (without TLS)" or "")
end

local function line(row)
  local error = row.error or ""
  return ("| %s | %s | %s | %s | %s | %s | %s |"):format(
    where(row), row.out, told(row), row.how, error, row.follows, after(row))
end

local function page()
  local count, lines = 0, {}
  for _, section in ipairs(close_matrix.sections) do
    lines[#lines + 1] = ("\n## %s\n"):format(section.title)
    if section.words then lines[#lines + 1] = section.words .. "\n" end
    lines[#lines + 1] = HEAD
    for _, row in ipairs(section.rows) do
      count = count + 1
      lines[#lines + 1] = line(row)
    end
  end
  return INTRO:format(count) .. table.concat(lines, "\n") .. "\n"
end

if ... == "text" then return page() end
local file = assert(io.open("docs/close-matrix.md", "wb"))
file:write(page())
file:close()
