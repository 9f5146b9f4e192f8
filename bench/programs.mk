# The programs of the benchmarks, in build/bench: make -s -f bench/programs.mk TARGET.
# One that cannot be built for want of a library fails alone; its row then says "not installed".

CC     ?= cc
OUT    := build/bench
CFLAGS := -O2
flags  := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Isrc $(CFLAGS)
find   := CC="$(CC)" scripts/find
make   := $(MAKE) --no-print-directory -s -f Makefile

.DELETE_ON_ERROR:
$(OUT):
	@mkdir -p $@

$(OUT)/server: bench/server.c | $(OUT)
	$(CC) $(flags) $$($(find) cflags openssl) -o $@ $< -lssl -lcrypto -lz

# ---------------------------------------------------------------- the floors

$(OUT)/scale_raw: bench/scale_raw.c | $(OUT)
	$(CC) $(flags) -o $@ $<

$(OUT)/raw $(OUT)/raw-poll: bench/raw.c bench/client.h bench/wire.h | $(OUT)
	$(CC) $(flags) $(if $(findstring poll,$@),-DWITH_POLL) -o $@ $< -lz

$(OUT)/raw-tls: bench/raw_tls.c bench/client.h bench/wire.h | $(OUT)
	$(CC) $(flags) $$($(find) cflags openssl) -o $@ $< $$($(find) ldflags openssl)

$(OUT)/lua5.4/lua_floor.so: bench/lua_floor.c bench/client.h bench/wire.h
	@mkdir -p $(@D)
	$(CC) $(flags) -fPIC -shared $$($(find) cflags lua5.4) -o $@ $< -lz

# ---------------------------------------------------------------- wsclose

.PHONY: wsclose-lua5.4 wsclose-luajit FORCE
wsclose-lua5.4 wsclose-luajit:
	@$(make) LUA=$(@:wsclose-%=%)

$(OUT)/core: bench/core.c bench/client.h FORCE | $(OUT)
	@$(make) LUA=lua5.4
	$(CC) $(flags) -o $@ $< build/obj/core/*.o build/obj/net/*.o -pthread $$($(find) ldflags openssl)

# ---------------------------------------------------------------- peers

peer_flags = -D_GNU_SOURCE -Wall -Wextra -Wshadow -Werror $(CFLAGS) $$($(find) cflags openssl)

$(OUT)/peers/%: bench/peers/%.c bench/peers/peer.h bench/client.h
	@mkdir -p $(@D)
	$(CC) -std=c11 $(peer_flags) -o $@ $< $(library) -lcrypto
$(OUT)/peers/wslay: library := -lwslay
$(OUT)/peers/lws: library := -lwebsockets

$(OUT)/peers/%: bench/peers/%.cpp bench/peers/peer.h bench/client.h
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -DNDEBUG $(peer_flags) -o $@ $< -lssl -lcrypto -pthread
