# wsclose as a library for programs in C; included by the Makefile.
#
#   libwsclose.so.0, libwsclose.a    wsclose.h, without Lua
#   libwsclose-lua5.4.a              with the module for that Lua besides, for programs with Lua inside

LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
SOVERSION  := 0

ifeq ($(shell uname -s),Darwin)
so_name := libwsclose.$(SOVERSION).dylib
so_link := libwsclose.dylib
so_flag  = -dynamiclib -install_name $(LIBDIR)/$(so_name)
else
so_name := libwsclose.so.$(SOVERSION)
so_link := libwsclose.so
so_flag  = -Wl,-soname,$(so_name)
endif
lua_name   := wsclose-$(LUA)

# The flags of a module, as they are for a program or a library.
program_flags = sed 's/-shared//; s/-Wl,-z,nodelete//; s/-bundle -undefined dynamic_lookup//' $(BUILD)/ldflags
library_flags = sed 's/-bundle -undefined dynamic_lookup//' $(BUILD)/ldflags

shared_objects := $(patsubst src/%.c,$(BUILD)/shared/%.o,$(core) $(net))

.PHONY: library
library: $(BUILD)/libwsclose.a $(BUILD)/$(so_name)

$(BUILD)/libwsclose.a: $(common_objects)
$(OUT)/lib$(lua_name).a: $(common_objects) $(binding_objects)
$(BUILD)/libwsclose.a $(OUT)/lib$(lua_name).a:
	@echo "  AR    $@"
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# The only objects whose names are seen from outside, and of them those of wsclose.h.
$(BUILD)/shared/%.o: src/%.c $(BUILD)/cflags $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  CC    $< (shared)"
	$(Q)$(compile) -DWSC_SHARED -D_GNU_SOURCE @$(BUILD)/cflags -MMD -MP -c -o $@ $<

$(BUILD)/$(so_name): $(shared_objects) $(BUILD)/ldflags
	@echo "  LINK  $@"
	$(Q)$(CC) $(if $(SANITIZE),$(sanitize)) $(CFLAGS) $(LDFLAGS) $(so_flag) -o $@ \
	  $(filter %.o,$^) $$($(library_flags))

-include $(wildcard $(BUILD)/shared/*/*.d $(BUILD)/shared/*/*/*.d)

# ---------------------------------------------------------------- install

c_lib     = $(DESTDIR)$(LIBDIR)
c_include = $(DESTDIR)$(INCLUDEDIR)

# What packaging/NAME.in says, for this build.
fill = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' \
       -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' -e 's|@REPOSITORY@|$(REPOSITORY)|g' \
       -e "s|@LIBRARIES@|$$($(program_flags) | xargs)|g" -e 's|@LUA@|$(LUA)|g' \
       -e 's|@LUA_VERSION@|$(version)|g' -e 's|^\([a-z]*dir\)=$(PREFIX)/|\1=$${prefix}/|'

.PHONY: install-c uninstall-c install-embedded
install-c: library
	@$(INSTALL) -d "$(c_include)" "$(c_lib)/pkgconfig" "$(c_lib)/cmake/wsclose"
	@$(INSTALL) -m 644 src/wsclose.h "$(c_include)/wsclose.h"
	@$(INSTALL) -m 644 $(BUILD)/libwsclose.a "$(c_lib)/libwsclose.a"
	@$(INSTALL) -m 755 $(BUILD)/$(so_name) "$(c_lib)/$(so_name)"
	@ln -sf $(so_name) "$(c_lib)/$(so_link)"
	@$(fill) packaging/wsclose.pc.in > "$(c_lib)/pkgconfig/wsclose.pc"
	@for file in wsclose-config wsclose-config-version; do \
	  $(fill) packaging/$$file.cmake.in > "$(c_lib)/cmake/wsclose/$$file.cmake"; \
	done
	@echo "wsclose.h is in $(c_include), its library in $(c_lib)"

install-embedded: $(OUT)/lib$(lua_name).a $(BUILD)/ldflags
	@$(INSTALL) -d "$(c_lib)/pkgconfig"
	@$(INSTALL) -m 644 $(OUT)/lib$(lua_name).a "$(c_lib)/lib$(lua_name).a"
	@$(fill) packaging/wsclose-lua.pc.in > "$(c_lib)/pkgconfig/$(lua_name).pc"

uninstall-c:
	rm -f "$(c_include)/wsclose.h" "$(c_lib)/$(so_name)" "$(c_lib)/$(so_link)" \
	  "$(c_lib)"/libwsclose*.a "$(c_lib)"/pkgconfig/wsclose*.pc \
	  "$(c_lib)"/cmake/wsclose/wsclose-config*.cmake
	-rmdir "$(c_lib)/cmake/wsclose"
