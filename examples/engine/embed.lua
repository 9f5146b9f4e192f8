--- Writes Lua files as C arrays: lua embed.lua NAME=FILE … > embedded.h
local out = {
  "/* made by embed.lua */",
  "#include <stddef.h>",
  "typedef struct embedded_file {",
  "  const char *name;",
  "  const unsigned char *bytes;",
  "  size_t size;",
  "} embedded_file;",
}
local entries = {}
for i, word in ipairs(arg) do
  local name, path = word:match "^(.-)=(.*)$"
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a"):gsub(".", function(byte) return byte:byte() .. "," end)
  file:close()
  bytes = bytes:gsub(("[^,]*,"):rep(24), "%0\n")
  out[#out + 1] = ("static const unsigned char bytes_%d[] = {\n%s};"):format(i, bytes)
  entries[i] = ("  {%q, bytes_%d, sizeof bytes_%d},"):format(name, i, i)
end
out[#out + 1] = "static const embedded_file embedded_files[] = {"
out[#out + 1] = table.concat(entries, "\n")
out[#out + 1] = "};"
print(table.concat(out, "\n"))
