--- Every way in which a connection ends: what happens, and what must come of it.
--
-- One table with two readers: spec/conformance/close_matrix_spec.lua plays each row, and
-- scripts/close_matrix_doc.lua writes docs/close-matrix.md from it.

---@class closing.Row
---@field [1] string what happens
---@field at? string where the scene begins: nil is an open connection; "new" is before the first
---  update, "asked" when the server has the request; or a phase of support/phases.lua
---@field meets? string what is on the way, see support/endings.lua; `script`, `proxy` are its
---@field options? table of wsclose.new; `answer` is the server's 101
---@field play? fun(s: support.Stage, way: string) what happens then
---@field waits? string[] the timeouts that go by, one after the other
---@field between? fun(s: support.Stage) what happens in each second of them
---@field behind? fun(s: support.Stage, way: string) what happens then, in the state "closing"
---@field holds? boolean the server reads nothing any more
---@field gone? boolean the server is not there any more to see what goes out
---@field again? boolean there is a next attempt without retry too
---@field ways? string[] not in all of support.stage
---@field out string what goes out: frames, in the order in which the server reads them
---@field told string on_close's code and reason
---@field how string of info: clean, by, opened, received, dropped, undelivered; messages given
---@field error? string info.error: name and phase; nil: none
---@field follows string with `retry = true`: "no", or the range of the delay

local matrix = {}

--- The options' defaults, which the rows wait for.
matrix.defaults = {
  ["keepalive.interval"] = 20, ["keepalive.timeout"] = 20,
  ["timeouts.connect"] = 10, ["timeouts.dns"] = 5, ["timeouts.tls"] = 5,
  ["timeouts.handshake"] = 5, ["timeouts.drain"] = 30, ["timeouts.close"] = 5,
  ["timeouts.linger"] = 2,
}

matrix.sections = {}
for _, name in ipairs { "open", "frames", "early" } do
  for _, section in ipairs(require("support.closing." .. name)) do
    matrix.sections[#matrix.sections + 1] = section
  end
end

--- How long a timeout is in a row.
---@param row closing.Row
---@param name string
---@return number
function matrix.seconds(row, name)
  local group, option = name:match "(%l+)%.(%l+)"
  local given = row.options and row.options[group]
  return given and given[option] or matrix.defaults[name]
end

return matrix
