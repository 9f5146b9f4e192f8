# wsclose.  `make help` lists what can be made; GNU make.
#
#   LUA=lua5.1|lua5.2|lua5.3|lua5.4|lua5.5|luajit   the Lua to build for
#   CC, CFLAGS, LDFLAGS, AR, PREFIX, LIBDIR, INCLUDEDIR, DESTDIR     as everywhere
#   LUA_INCDIR, OPENSSL_DIR, ZLIB_DIR        where a library is kept in no usual place
#   SYSTEM=windows                           what CC compiles for, which it tells by itself; in
#                            build/windows, and LUA_LIBDIR is where lua54.dll or lua51.dll lies
#   WITH_TLS=0                               without OpenSSL, in build/no-tls
#   WSC_CPU=portable|sse2|ssse3|avx2         no vector instructions above it, in build/cpu-sse2 and so on
#   SANITIZE=1                               with AddressSanitizer and UBSan, in build/asan
#   V=1                                      show the commands

LUA     ?= lua5.4
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
INSTALL ?= install
LUAS    := lua5.1 lua5.2 lua5.3 lua5.4 lua5.5 luajit

# ---------------------------------------------------------------- what is built from what

SYSTEM  ?= $(if $(findstring mingw,$(shell $(CC) -dumpmachine)),windows,posix)
windows := $(filter windows,$(SYSTEM))
without_tls := $(filter 0,$(WITH_TLS))
BUILD   ?= build$(addprefix /,$(windows))$(if $(without_tls),/no-tls)$(if $(SANITIZE),/asan)$(addprefix /cpu-,$(WSC_CPU))
OUT     := $(BUILD)/$(LUA)
MODULE  := $(OUT)/wsclose/core.$(if $(windows),dll,so)
TESTING := $(OUT)/wsclose/core_testing.$(if $(windows),dll,so)

core    := $(wildcard src/core/*.c)
net     := $(filter-out src/net/absent/% $(if $(windows),src/net/posix/%,src/net/windows/%), \
           $(wildcard src/net/*.c src/net/*/*.c))
ifdef without_tls
net     := $(filter-out src/net/tls/% src/net/posix/random.c,$(net)) src/net/absent/tls.c \
           $(if $(windows),,src/net/absent/random.c)
endif
net     += $(if $(windows)$(without_tls),src/net/absent/platform.c)
binding := $(wildcard src/binding/*.c)
testing := $(wildcard spec/c/*.c)
FAULTS  := $(if $(without_tls)$(windows),,$(if $(filter Linux,$(shell uname -s)),$(OUT)/faults.so))
ifdef windows # what it takes from POSIX stands there
in_place   := spec/support/portability/windows
testing    := $(filter-out spec/c/process.c,$(testing)) $(wildcard $(in_place)/*.c)
of_testing := -include $(in_place)/posix.h -I$(in_place)
endif
lua     := $(wildcard lua/wsclose/*.lua lua/wsclose/*/*.lua)

# Core and net know no Lua: one object for all of them.
common_objects  := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(core) $(net))
binding_objects := $(patsubst src/binding/%.c,$(OUT)/obj/binding/%.o,$(binding))
testing_objects := $(patsubst %.c,$(OUT)/obj/testing/%.o,$(notdir $(testing)))

warnings := -Wall -Wextra -Wconversion -Wshadow -Wvla
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
cpu_max  := $(addprefix -DWSC_CPU_MAX=WSC_CPU_,$(shell echo $(WSC_CPU) | tr a-z A-Z))
of_system := $(if $(windows),-D_WIN32_WINNT=0x0A00,-fPIC -pthread)
compile   = $(CC) -std=c11 -Isrc $(of_system) $(warnings) \
            $(if $(SANITIZE),$(sanitize)) $(cpu_max) $(CPPFLAGS) $(CFLAGS)
find     := CC="$(CC)" SYSTEM=$(SYSTEM) scripts/find
crypto   := $(if $(without_tls),$(if $(windows),zlib,sha1),openssl)
Q        := $(if $(V),,@)

.PHONY: all
all: $(MODULE)

$(MODULE): $(binding_objects) $(common_objects)
$(TESTING): $(binding_objects) $(testing_objects) $(common_objects)
$(MODULE) $(TESTING): $(BUILD)/ldflags
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(if $(SANITIZE),$(sanitize)) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) @$(BUILD)/ldflags $(lua_dll)

$(BUILD)/obj/core/%.o: src/core/%.c $(BUILD)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(compile) @$(BUILD)/cflags -MMD -MP -c -o $@ $<

$(BUILD)/obj/net/%.o: src/net/%.c $(BUILD)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(compile) -D_GNU_SOURCE @$(BUILD)/cflags -MMD -MP -c -o $@ $<

$(OUT)/obj/binding/%.o: src/binding/%.c $(OUT)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(compile) -D_GNU_SOURCE @$(OUT)/cflags -MMD -MP -c -o $@ $<

vpath %.c spec/c $(in_place)
$(OUT)/obj/testing/%.o: %.c $(OUT)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(compile) -D_GNU_SOURCE $(of_testing) @$(OUT)/cflags -MMD -MP -c -o $@ $<

# Where headers and libraries are, found once; `make clean` forgets it.
.DELETE_ON_ERROR:
$(BUILD)/cflags:
	@mkdir -p $(@D)
	@$(find) cflags $(crypto) > $@ && $(find) cflags zlib >> $@
$(BUILD)/ldflags:
	@mkdir -p $(@D)
	@$(find) ldflags $(crypto) > $@
$(OUT)/cflags:
	@mkdir -p $(@D)
	@$(find) cflags $(LUA) > $@

# Other flags, other objects.
$(BUILD)/command: FORCE
	@mkdir -p $(@D)
	@echo '$(compile)' | cmp -s - $@ || echo '$(compile)' > $@
.PHONY: FORCE

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d $(OUT)/obj/*/*.d)

# ---------------------------------------------------------------- install

scm_rockspec := rockspec/wsclose-scm-1.rockspec
REPOSITORY   ?= $(shell sed -n 's/^local repository = "\([^"]*\)".*/\1/p' $(scm_rockspec))
VERSION   := $(shell sed -n 's/^.define WSC_VERSION "\(.*\)"/\1/p' src/wsclose.h)
version   := $(if $(filter luajit,$(LUA)),5.1,$(LUA:lua%=%))
share_dir  = $(DESTDIR)$(PREFIX)/share/lua/$(version)
lua_dll   := $(if $(windows),$(LUA_LIBDIR)/lua$(subst .,,$(version)).dll)
lib_dir    = $(DESTDIR)$(PREFIX)/lib/lua/$(version)
bin_dir    = $(DESTDIR)$(PREFIX)/bin
man_dir    = $(DESTDIR)$(PREFIX)/share/man/man1

lua_path   = $(PREFIX)/share/lua/$(version)/?.lua;$(PREFIX)/share/lua/$(version)/?/init.lua
lua_cpath  = $(PREFIX)/lib/lua/$(version)/?.so

# The command finds its modules under PREFIX, whatever the interpreter searches by itself.
define command
#!/usr/bin/env $(LUA_BIN)
package.path = "$(lua_path);" .. package.path
package.cpath = "$(lua_cpath);" .. package.cpath
endef

include packaging/library.mk

# install-lua is all that a Lua program needs, install-c all that a program in C does; besides these
# install puts what a program in C with Lua inside links.
.PHONY: install install-lua put-lua uninstall man
install: install-c install-embedded
install install-lua: put-lua
	@echo "wsclose is in $(share_dir) and $(lib_dir)"
	@case ";$$($(LUA_BIN) -e 'io.write(package.path)');" in *";$(lua_path);"*) ;; *) \
	  echo "$(LUA) does not search $(PREFIX) by itself; for a shell or its profile:"; \
	  echo '  export LUA_PATH="$(lua_path);;"'; \
	  echo '  export LUA_CPATH="$(lua_cpath);;"' ;; \
	esac
put-lua: export WSCLOSE_COMMAND = $(command)
put-lua: $(MODULE) man
	@set -e; for file in $(lua:lua/%=%); do \
	  $(INSTALL) -d "$(share_dir)/$$(dirname $$file)"; \
	  $(INSTALL) -m 644 "lua/$$file" "$(share_dir)/$$file"; \
	done
	$(INSTALL) -d "$(lib_dir)/wsclose"
	$(INSTALL) -m 755 $(MODULE) "$(lib_dir)/wsclose/core.so"
	$(INSTALL) -d "$(bin_dir)" "$(man_dir)"
	@{ echo "$$WSCLOSE_COMMAND"; tail -n +2 bin/wsclose; } > "$(bin_dir)/wsclose"
	@chmod 755 "$(bin_dir)/wsclose"
	$(INSTALL) -m 644 $(BUILD)/wsclose.1 "$(man_dir)/wsclose.1"

uninstall: uninstall-c
	cd "$(share_dir)" && rm -f $(lua:lua/%=%)
	rm -f "$(lib_dir)/wsclose/core.so" "$(bin_dir)/wsclose" "$(man_dir)/wsclose.1"
	rmdir "$(share_dir)/wsclose/testing" "$(share_dir)/wsclose/cli" "$(share_dir)/wsclose" "$(lib_dir)/wsclose"

# The manual page, from the text of `wsclose --help`.
man: $(BUILD)/wsclose.1
$(BUILD)/wsclose.1: lua/wsclose/cli/manual.lua src/wsclose.h
	@mkdir -p $(@D)
	@$(LUA_BIN) -e 'package.path = "./lua/?.lua"' \
	  -e 'io.write(require("wsclose.cli.manual").page("wsclose $(VERSION)"))' > $@

# ---------------------------------------------------------------- try it, test it

# Modules out of this folder, for the interpreter and for every Lua it starts.
LUA_BIN ?= $(shell $(find) interpreter $(LUA))
unexport LUA_PATH_5_2 LUA_PATH_5_3 LUA_PATH_5_4 LUA_PATH_5_5
unexport LUA_CPATH_5_2 LUA_CPATH_5_3 LUA_CPATH_5_4 LUA_CPATH_5_5
suite demonstration echoing measuring: export LUA_PATH := ./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;
suite demonstration echoing measuring: export LUA_CPATH := ./$(OUT)/?.so;;
suite: export WSCLOSE_BUILD := $(BUILD)

.PHONY: demo demonstration echo echoing env modules test suite
.PHONY: test-all test-hosts test-asan test-valgrind test-checked collecting
demo:
	@scripts/setup demo $(LUA)
	@$(MAKE) --no-print-directory demonstration
demonstration: $(MODULE)
	@$(LUA_BIN) examples/demo.lua

# A server to try things against, on PORT, until Ctrl-C.
echo:
	@scripts/setup demo $(LUA)
	@$(MAKE) --no-print-directory echoing
echoing: $(MODULE)
	@$(LUA_BIN) examples/echo_server.lua $(or $(PORT),9001)

# For a shell that uses the module from here: eval "$$(make env)"
env:
	@$(MAKE) --no-print-directory $(MODULE) >&2
	@echo 'export LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;"'
	@echo 'export LUA_CPATH="$(CURDIR)/$(OUT)/?.so;;"'

# SPEC= names files or folders; BUSTED_FLAGS= goes to busted.
test:
	@scripts/setup test $(LUA)
	@$(MAKE) --no-print-directory suite
modules: $(MODULE) $(TESTING) $(FAULTS)
# Preloaded, so without what the sanitizers put before main.  A static OpenSSL has its calls, too.
$(OUT)/faults.so: spec/support/faults.c $(OUT)/cflags $(BUILD)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(filter-out $(sanitize),$(compile)) -D_GNU_SOURCE @$(BUILD)/cflags @$(OUT)/cflags -shared -o $@ $< \
	  -Wl,--no-as-needed,-z,muldefs @$(BUILD)/ldflags
suite: modules
	@echo "wsclose: the suite under $(LUA)"
	@$(if $(WSC_CPU),$(LUA_BIN) spec/support/cpu.lua $(WSC_CPU))
	@$(RUNNER) $(LUA_BIN) spec/run.lua $(BUSTED_FLAGS) $(SPEC)

# A Lua under which it fails does not keep it from the others.
test-all:
	@scripts/setup test-all
	@failed=; for lua in $(LUAS); do \
	  $(MAKE) --no-print-directory suite LUA=$$lua || failed="$$failed $$lua"; \
	done; [ -z "$$failed" ] || { echo "wsclose: the suite fails under$$failed"; exit 1; }

# The real hosts, each with the module for its Lua.
test-hosts:
	@scripts/setup hosts
	@set -e; for lua in $(LUAS); do $(MAKE) --no-print-directory modules LUA=$$lua; done
	@$(MAKE) --no-print-directory suite SPEC="$(or $(SPEC),spec/hosts)"

# The interpreter is built with the sanitizers too: what it starts (python, node) is left alone.
asan_lua := build/asan$(addprefix /cpu-,$(WSC_CPU))/$(LUA)/lua
test-asan: export ASAN_OPTIONS := allocator_may_return_null=1:detect_leaks=1
test-asan: export UBSAN_OPTIONS := print_stacktrace=1
test-asan test-checked: export WSCLOSE_STREAMS ?= 5000
test-asan:
	@scripts/setup asan $(LUA)
	@$(MAKE) --no-print-directory SANITIZE=1 CFLAGS="-O1 -g" $(asan_lua)
	@$(MAKE) --no-print-directory SANITIZE=1 CFLAGS="-O1 -g" LUA_BIN=$(asan_lua) suite \
	  BUSTED_FLAGS="--exclude-pattern=herd_spec $(BUSTED_FLAGS)" # a simulation, in Lua alone
$(asan_lua): spec/support/interpreter.c $(OUT)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(compile) -rdynamic @$(OUT)/cflags -o $@ $< $$($(find) library $(LUA))

# The C side: every spec of core and net but the long tables, which try the values of pure functions;
# of the random streams of the chunking law a few hundred.
valgrind := valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
            --show-leak-kinds=definite --suppressions=spec/support/valgrind.supp
long_tables := checks.each.pair checks.three.bytes checks.four.bytes every.offer.tried \
               masks.long.payloads
test-valgrind: export WSCLOSE_STREAMS ?= 500
test-valgrind:
	@scripts/setup valgrind $(LUA)
	@$(MAKE) --no-print-directory suite RUNNER="$(valgrind)" SPEC="$(or $(SPEC),spec/core spec/net)" \
	  BUSTED_FLAGS="$(long_tables:%=--filter-out=%) $(BUSTED_FLAGS)"

# Under Lua 5.4 or LuaJIT with the checks of its C API; with the former, then, lives of a client, a
# few messages each, with a full collection at each allocation.
test-checked:
	@scripts/setup test $(LUA)
	@scripts/checked_lua $(LUA)
	@$(MAKE) --no-print-directory suite LUA_BIN=$(CURDIR)/build/others/bin/$(LUA)-checked \
	  SPEC="$(or $(SPEC),spec/binding spec/conformance spec/core spec/lua spec/testing)"
	@$(if $(filter lua5.4,$(LUA)),$(MAKE) --no-print-directory collecting)
collecting: export LUA_PATH := ./lua/?.lua;./lua/?/init.lua;./bench/?.lua
collecting: export LUA_CPATH := ./$(OUT)/?.so;./$(BUILD)/bench/?.so
collecting: $(MODULE) $(BUILD)/bench/kernel.so
	@set -e; for life in pingpong pipeline flood json connect; do \
	  echo "wsclose: $$life, collecting at each allocation"; \
	  LD_PRELOAD=$(CURDIR)/$(BUILD)/bench/kernel.so build/others/bin/lua5.4-collecting \
	    bench/scripts/$$life.lua 64; \
	done

# Which lines and branches of each layer the suite runs; build/coverage/uncovered names the others.
# Under 5.5 messages come in without a copy.  What takes all descriptors away keeps gcov from
# writing.  Counts add to those of the runs before: `rm -rf build/coverage` begins anew.
.PHONY: coverage
coverage: suite = $(MAKE) --no-print-directory suite BUILD=build/coverage \
                  CFLAGS="-O0 -g -DNDEBUG --coverage -fprofile-update=atomic"
coverage:
	@scripts/setup coverage
	@$(suite) BUSTED_FLAGS=--filter-out=gives.no.descriptor
	@$(suite) LUA=lua5.5 SPEC="spec/lua/taken_spec.lua spec/lua/memory_spec.lua spec/lua/pieces_spec.lua"
	@scripts/coverage build/coverage

# Each allocation and system call fails, at each point of whole lives; POINTS=2000 SEED=1 for fewer,
# ROUTE="https proxy" for one way, in JOBS processes.
.PHONY: fail-everything failing
fail-everything:
	@scripts/setup test $(LUA)
	@$(MAKE) --no-print-directory failing
failing: export LUA_PATH := ./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;
failing: export LUA_CPATH := ./$(OUT)/?.so;;
failing: modules
	@JOBS=$(or $(JOBS),8) LD_PRELOAD=$(CURDIR)/$(FAULTS) $(LUA_BIN) spec/support/faults.lua "$(POINTS)" "$(or $(SEED),1)" $(if $(ROUTE),"$(ROUTE)")

# Breaks the code in N places drawn by SEED, one at a time: does a test that runs the line turn red?
# FROM=500 goes on; PART=1/2 and PART=2/2 are two runs side by side; AT=commit for another than HEAD.
.PHONY: mutate
mutate:
	@scripts/setup test lua5.4
	@$$($(find) interpreter lua5.4) scripts/mutate.lua $(or $(N),20) $(or $(SEED),1) $(or $(FROM),1) \
	  $(or $(PART),1/1) $$(git rev-parse $(or $(AT),HEAD)) $(FILES)

# The closing handshake in every order there is, with spin.
.PHONY: model
model:
	@scripts/setup model
	@scripts/model

# Clients against a server that misbehaves, drawn by SEED; SECONDS=5000m is so many messages.
.PHONY: soak soaking
soak:
	@scripts/setup test $(LUA)
	@$(MAKE) --no-print-directory soaking
soaking: export LUA_PATH := ./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;
soaking: export LUA_CPATH := ./$(OUT)/?.so;;
soaking: export WSCLOSE_BUILD := $(BUILD)
soaking: modules
	@ulimit -n "$$(ulimit -Hn)"; \
	  $(LUA_BIN) spec/soak/soak.lua $(or $(SECONDS),60) $(or $(SEED),1) $(or $(CLIENTS),200)

# ---------------------------------------------------------------- games and programs in C

.PHONY: engine native bench-frames bench-memory
engine native:
	@scripts/setup build $(LUA)
	@$(MAKE) --no-print-directory -C examples/$@

# ---------------------------------------------------------------- measure it

# wsclose beside other clients; what cannot be installed is left out, and said so.  BENCH= goes to
# bench/run.lua: --rounds 1 --scale 0.02 only sees whether every program works.
.PHONY: bench
bench:
	@scripts/setup build lua5.4
	@scripts/setup bench || echo "wsclose: measuring without what is missing"
	@$$($(find) interpreter lua5.4) bench/run.lua $(BENCH)

# Resident memory per idle connection beside other clients, COUNTS connections in one process.
bench-memory:
	@scripts/setup bench
	@$$($(find) interpreter lua5.4) bench/memory.lua $(COUNTS:%=--counts %)

# The longest update of a game, SECONDS for each host.
bench-frames:
	@scripts/setup frames
	@$(MAKE) --no-print-directory LUA=luajit
	@$(MAKE) --no-print-directory LUA=lua5.4
	@$$($(find) interpreter lua5.4) bench/frames/run.lua $(SECONDS)

# A message there and back under wine, beside LuaSocket's own loop.
.PHONY: bench-wine
bench-wine:
	@scripts/setup portability
	@scripts/portability windows-zip
	@$(MAKE) --no-print-directory -s -f bench/programs.mk build/bench/server
	@bench/wine/run

# How much a process grows while a gigabyte comes as one message, in pieces.
.PHONY: bench-pieces
bench-pieces:
	@scripts/setup test $(LUA)
	@$(MAKE) --no-print-directory
	@LUA_PATH="./lua/?.lua;./lua/?/init.lua;;" LUA_CPATH="./$(OUT)/?.so;;" $(LUA_BIN) bench/pieces.lua

# What hostile servers cost a client, into docs/security.md.
.PHONY: bench-limits
bench-limits:
	@scripts/setup test $(LUA)
	@$(MAKE) --no-print-directory modules
	@LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;./spec/?.lua;;" LUA_CPATH="./$(OUT)/?.so;;" \
	  $(LUA_BIN) bench/limits.lua write

# What a message costs among thousands of connections; CLIENTS="1 100" for less.
.PHONY: bench-scale
bench-scale:
	@scripts/setup build $(LUA)
	@$(MAKE) --no-print-directory
	@$(MAKE) --no-print-directory -s -f bench/programs.mk build/bench/server build/bench/scale_raw
	@ulimit -n "$$(ulimit -Hn)"; LUA_PATH="./lua/?.lua;./lua/?/init.lua;;" \
	  LUA_CPATH="./$(OUT)/?.so;;" $(LUA_BIN) bench/scale.lua $(CLIENTS)

# ---------------------------------------------------------------- a fleet comes back

# Retry policies on a virtual clock, into docs/retry.md; CLIENTS=1000000 takes long.
.PHONY: herd
herd:
	@lua=$$($(find) interpreter luajit 2>/dev/null) || lua=$$($(find) interpreter lua5.4); \
	  $$lua bench/herd/run.lua $(CLIENTS)

# Real clients of a real server beside the simulation of the same, into docs/retry.md; minutes.
# CLIENTS="1000 5 30": so many, seconds without a server, seconds that it needs for all.
.PHONY: herd-real
herd-real:
	@scripts/setup herd
	@$(MAKE) --no-print-directory LUA=luajit
	@ulimit -n "$$(ulimit -Hn)"; LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;;" \
	  LUA_CPATH="./build/luajit/?.so;;" $$($(find) interpreter luajit) bench/herd/real/run.lua \
	  $(CLIENTS)

# ---------------------------------------------------------------- pieces of the core, measured

.PHONY: bench-micro measuring
bench-micro:
	@scripts/setup build $(LUA)
	@$(MAKE) --no-print-directory measuring
measuring: $(BUILD)/bench/micro $(MODULE)
	@$<
	@$(LUA_BIN) bench/micro/push.lua
$(BUILD)/bench/micro: $(wildcard bench/micro/*.[ch] spec/c/path*.[ch]) \
                     $(common_objects) $(BUILD)/ldflags
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(compile) -D_GNU_SOURCE @$(BUILD)/cflags -o $@ $(filter %.c %.o,$^) $$($(program_flags))

# ---------------------------------------------------------------- count its instructions

# The same on a busy machine: instructions of five scripts against bench/baseline.txt, in Lua 5.4.
.PHONY: bench-check bench-baseline counting
bench-check bench-baseline:
	@scripts/setup bench-check
	@$(MAKE) --no-print-directory LUA=lua5.4 MODE=$(@:bench-%=%) counting
counting: $(MODULE) $(BUILD)/bench/kernel.so
	@$(LUA_BIN) bench/check.lua $(MODE) $(OUT) $(BUILD)/bench/kernel.so "$(strip $(CFLAGS) $(cpu_max))"
$(BUILD)/bench/kernel.so: bench/scripts/kernel.c $(OUT)/cflags $(BUILD)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(compile) -D_GNU_SOURCE @$(BUILD)/cflags @$(OUT)/cflags -shared -o $@ $<

# ---------------------------------------------------------------- carry it elsewhere

# One C file and one header, for programs that compile wsclose into themselves.
.PHONY: amalgamation portability
amalgamation:
	@$(LUA_BIN) scripts/amalgamate dist
	@echo "wsclose is in dist/wsclose.c and dist/wsclose.h"

# The builds of docs/portability.md; portability-NAME is one of them.
portability:
	@scripts/setup portability
	@scripts/portability all
portability-%:
	@scripts/setup portability
	@scripts/portability $*

# ---------------------------------------------------------------- release it

# CONTRIBUTING.md has the order.  REPOSITORY=https://… for another address than the rockspec's.
.PHONY: dist dist-windows release-check address
dist: export REPOSITORY := $(REPOSITORY)
dist:
	@LUA_BIN="$(LUA_BIN)" scripts/dist
# For Windows, cross-compiled: a zip with the DLLs, the Lua files and an example.
dist-windows:
	@scripts/setup portability
	@scripts/portability windows-zip
release-check:
	@scripts/setup test $(LUA)
	@scripts/setup packages
	@LUA=$(LUA) scripts/release-check $(VERSION)

# Writes the repository's address where it has to stand.
address:
	@sed -i.old 's|^local repository = "[^"]*"|local repository = "$(REPOSITORY)"|' $(scm_rockspec)
	@sed -i.old -e 's|^Homepage: .*|Homepage: $(REPOSITORY)|' -e 's|^Source: http.*|Source: $(REPOSITORY)|' \
	  packaging/debian/control packaging/debian/copyright
	@rm -f $(scm_rockspec).old packaging/debian/*.old

# ---------------------------------------------------------------- look it over

.PHONY: lint fuzz
lint:
	@scripts/setup lint
	@scripts/lint

FUZZ_SECONDS ?= 10
fuzz:
	@scripts/setup fuzz lua5.4
	@fuzz/run $(FUZZ_SECONDS) $(TARGETS)

.PHONY: clean help
clean:
	rm -rf build dist

help:
	@echo "make              build $(MODULE)"
	@echo "make install      into DESTDIR and PREFIX ($(PREFIX)); make uninstall takes it away"
	@echo "make install-lua  only what Lua needs; make install-c: only the C library, without Lua"
	@echo "make man          the manual page of the command line, in $(BUILD)/wsclose.1"
	@echo "make demo         connect, echo, 1001 and reconnection, 1010, against a server started here"
	@echo "make echo         an echo server on PORT (9001); make env, for eval, where the module is"
	@echo "make test         the suite under $(LUA); SPEC=spec/core/utf8_spec.lua runs one file"
	@echo "make test-all     the suite under $(LUAS)"
	@echo "make test-hosts   nginx, LÖVE, Neovim, HAProxy, Tarantool, WeeChat …"
	@echo "make test-asan    the suite with AddressSanitizer and UBSan"
	@echo "make test-valgrind  the C side under valgrind"
	@echo "make coverage     lines and branches of each layer that the suite runs"
	@echo "make fail-everything  each allocation and system call fails, in lives of a client over every route"
	@echo "make mutate       breaks the code in N places, one at a time, and tells what stays green"
	@echo "make soak         CLIENTS (200) for SECONDS (60) against a server that misbehaves, by SEED"
	@echo "make model        the closing handshake in every order there is, tried by spin"
	@echo "make test-checked the suite under a Lua that checks how its C API is used"
	@echo "make lint         compilers, gcc's analyzer, clang-tidy, cppcheck, luacheck, clang-format, shellcheck"
	@echo "make fuzz         each fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS))"
	@echo "make engine       the C engine of examples/engine; make native, the C program without Lua"
	@echo "make bench-memory memory per idle connection beside other clients; COUNTS=1,1000,10000"
	@echo "make bench-micro  masking, UTF-8, frame heads, compression, events against memcpy and zlib"
	@echo "make bench-check  instructions of five scripts against bench/baseline.txt"
	@echo "make bench-baseline  writes that file anew"
	@echo "make bench-frames the longest update of LÖVE and the C engine, SECONDS (60) for each"
	@echo "make bench-wine   ping-pong under wine beside LuaSocket"
	@echo "make bench-pieces what a process grows by while a gigabyte comes in pieces"
	@echo "make bench-limits what hostile servers cost a client, into docs/security.md"
	@echo "make bench-scale  what a message costs among CLIENTS (1 100 1000 10000) on one loop"
	@echo "make herd-real    10,000 real clients come back to a real server, beside the simulation; CLIENTS"
	@echo "make herd         20,000 clients come back: retry policies simulated, into docs/retry.md; CLIENTS"
	@echo "make bench        time beside other clients, into docs/performance.md; BENCH=--help"
	@echo "make amalgamation all of it as dist/wsclose.c and dist/wsclose.h"
	@echo "make dist         the release's files into dist; make release-check VERSION= proves them"
	@echo "make dist-windows a zip for Windows: the DLLs, the Lua files, an example"
	@echo "make address      writes REPOSITORY where the repository's address stands"
	@echo "make portability  the builds of docs/portability.md; make portability-NAME runs one"
	@echo "make clean        forget everything built"
	@echo "Variables: LUA CC CFLAGS LDFLAGS PREFIX DESTDIR LUA_INCDIR OPENSSL_DIR ZLIB_DIR WITH_TLS WSC_CPU SANITIZE V"
