# Builds fuzz targets, each OUT/fuzz_NAME out of fuzz/fuzz_NAME.c or fuzz/NAME.lua:
#
#   make -f fuzz/build.mk ENGINE=libfuzzer|afl TARGETS="conn client"
#
# Those in C are of the core alone; those in Lua run in a state with all of wsclose.

ENGINE ?= libfuzzer
LUA    ?= lua5.4
OUT    := build/fuzz/$(ENGINE)
CLANG  ?= clang
CC     := $(if $(filter afl,$(ENGINE)),afl-clang-fast,$(CLANG))

core    := $(wildcard src/core/*.c)
others  := $(filter-out src/net/absent/% src/net/windows/%,$(wildcard src/net/*.c src/net/*/*.c src/binding/*.c))
support := fuzz/support.c fuzz/play.c
library_wslay := -lwslay
library_heads := -lhttp_parser
object   = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

find     := CC=$(CC) scripts/find
includes := $(shell $(find) cflags $(LUA)) $(shell $(find) cflags openssl) $(shell $(find) cflags zlib)
libraries = $(shell $(find) library $(LUA)) $(shell $(find) ldflags openssl | sed 's/-shared//; s/-bundle.*//')
flags    := -std=c11 -g -O1 -fno-omit-frame-pointer -Isrc -Ifuzz -D_GNU_SOURCE -pthread \
            -fsanitize=address,undefined -fno-sanitize-recover=undefined
compile   = AFL_QUIET=1 $(CC) $(flags) -fsanitize=fuzzer-no-link
link      = AFL_QUIET=1 $(CC) $(flags) -fsanitize=fuzzer

.PHONY: all
all: $(TARGETS:%=$(OUT)/fuzz_%)
.DELETE_ON_ERROR:
.SECONDARY:

$(OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	@$(compile) $(includes) -MMD -MP -c -o $@ $<
$(OUT)/obj/fuzz/%.lua.o: fuzz/lua.c
	@mkdir -p $(@D)
	@$(compile) $(includes) -DWSC_FUZZ_SCRIPT='"fuzz/$*.lua"' -MMD -MP -c -o $@ $<

$(OUT)/fuzz_%: $(OUT)/obj/fuzz/fuzz_%.o $(call object,$(core) $(support))
	@$(link) -o $@ $^ -lz $(library_$*)
$(OUT)/fuzz_%: $(OUT)/obj/fuzz/%.lua.o fuzz/%.lua $(call object,$(core) $(others) $(support))
	@$(link) -o $@ $(filter %.o,$^) $(libraries) -lm

-include $(wildcard $(OUT)/obj/*/*.d $(OUT)/obj/*/*/*.d $(OUT)/obj/*/*/*/*.d)
