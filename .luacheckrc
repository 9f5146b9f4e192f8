-- One source for Lua 5.1 to 5.5 and LuaJIT: only what all of them have, and the few names that are
-- used with a fallback (`table.unpack or unpack`).
std = "min"
max_line_length = 100
exclude_files = { "build" }
read_globals = {
  "unpack",
  "loadstring",
  "setfenv",
  "jit",
  table = { fields = { "unpack" } },
}

files["spec"] = { std = "min+busted" }
files["examples/testing/*_spec.lua"] = { std = "min+busted" }
files["rockspec"] = { std = "+rockspec" }

-- Run by nginx alone.
files["lua/wsclose/openresty.lua"] = { globals = { "ngx" } }
files["examples/openresty"] = { globals = { "ngx" } }
files["spec/support/hosts/openresty*"] = { globals = { "ngx" } }
