/* In the place of the parts of wsclose.core_testing that are about sockets and processes. */
#include "../../../c/testing.h"

void wsc_testing_net(lua_State *L) {
  (void)L;
}

void wsc_testing_proxy(lua_State *L) {
  (void)L;
}

void wsc_testing_loop(lua_State *L) {
  (void)L;
}

void wsc_testing_process(lua_State *L) {
  (void)L;
}

void wsc_testing_options(lua_State *L) {
  (void)L;
}
