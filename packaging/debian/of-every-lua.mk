# What dh-lua is told for each Lua.
PKG_NAME            = wsclose
LUA_MODNAME         = wsclose
LUA_MODNAME_CPART   = wsclose.core
LUA_SOURCES         = $(wildcard lua/wsclose/*.lua lua/wsclose/*/*.lua)
LUA_SOURCES_MANGLER = sed "s|^lua/||"
LUA_TEST            = debian/module_test.lua
CLIB_OBJS           = amalgamation/wsclose.lo
CLIB_CFLAGS         = -std=c11 -pthread -shared
# -shared: no static one besides
CLIB_LDFLAGS        = -shared -lssl -lcrypto -lz -pthread
