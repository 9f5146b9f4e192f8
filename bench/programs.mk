# The programs of the benchmarks, in build/bench: make -s -f bench/programs.mk TARGET.
# One that cannot be built for want of a library fails alone; its row then says "not installed".

CC     ?= cc
CXX    ?= c++
OUT    := build/bench
CFLAGS := -O2
flags  := -D_GNU_SOURCE -Wall -Wextra -Isrc $(CFLAGS)
cc     := $(CC) -std=c11 $(flags)
find   := CC="$(CC)" scripts/find

.DELETE_ON_ERROR:
$(OUT) $(OUT)/lua5.4:
	@mkdir -p $@

$(OUT)/server: bench/server.c | $(OUT)
	$(cc) $$($(find) cflags openssl) $$($(find) cflags zlib) -o $@ $< -lssl -lcrypto -lz

# ---------------------------------------------------------------- the floors

$(OUT)/scale_raw: bench/scale_raw.c | $(OUT)
	$(cc) -o $@ $<

raw := bench/raw.c bench/client.h bench/wire.h
$(OUT)/raw: $(raw) | $(OUT)
	$(cc) -o $@ $<
$(OUT)/raw-poll: $(raw) | $(OUT)
	$(cc) -DWITH_POLL -o $@ $<
$(OUT)/raw-zlib: $(raw) | $(OUT)
	$(cc) -DWITH_ZLIB $$($(find) cflags zlib) -o $@ $< -lz
$(OUT)/raw-tls: $(raw) | $(OUT)
	$(cc) -DWITH_TLS $$($(find) cflags openssl) -o $@ $< -lssl -lcrypto

$(OUT)/lua5.4/lua_floor.so: bench/lua_floor.c bench/client.h bench/wire.h | $(OUT)/lua5.4
	$(cc) -fPIC -shared $$($(find) cflags lua5.4) $$($(find) cflags zlib) -o $@ $< -lz

# ---------------------------------------------------------------- wsclose

.PHONY: wsclose-lua5.4 wsclose-lua5.5 wsclose-luajit FORCE
wsclose-lua5.4 wsclose-lua5.5 wsclose-luajit:
	@$(MAKE) --no-print-directory -s -f Makefile LUA=$(@:wsclose-%=%) CFLAGS="-O2 -g"

objects := $(patsubst src/%.c,build/obj/%.o,$(filter-out src/net/absent/% src/net/windows/%,\
             $(wildcard src/core/*.c src/net/*.c src/net/*/*.c)))
$(OUT)/core: bench/core.c bench/client.h wsclose-lua5.4 | $(OUT)
	$(cc) -o $@ $< $(objects) -pthread -lssl -lcrypto -lz -ldl

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
