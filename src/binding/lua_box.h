/* The userdata behind every object of the binding, and the platform that they share. */
#ifndef WSC_BINDING_LUA_BOX_H
#define WSC_BINDING_LUA_BOX_H

#include "wsclose.h"
#include "compat.h"

/* What the objects of one Lua state share.  Counted: which object is collected last is for Lua to
 * choose. */
typedef struct wsc_lua_shared {
  const wsc_platform *platform;
  wsc_platform *owned;      /* NULL: the platform was handed in */
  wsc_tls_cache *tls_cache; /* owned; NULL: nothing of TLS is shared */
  size_t users;
  size_t strings, strings_kept; /* bytes of messages that are Lua's; after the last collection */
} wsc_lua_shared;

/* NULL: no memory. */
wsc_lua_shared *wsc_lua_shared_new(const wsc_platform *platform);
void wsc_lua_shared_drop(wsc_lua_shared *shared);

/* What only an object with functions of its own, for randomness or the time, has.  They are called
 * in a coroutine of its own too: whichever one called the object may be over by then. */
typedef struct wsc_lua_own {
  wsc_platform platform; /* the shared one, but for those functions */
  lua_State *L;          /* tied to the object; see WSC_OWN_RANDOM */
  uint64_t now_us;       /* what the clock said last */
  bool was_called;       /* see wsc_lua_come_back */
} wsc_lua_own;

/* What lies on that coroutine's stack: the functions, and what one of them raised. */
enum { WSC_OWN_RANDOM = 1, WSC_OWN_CLOCK, WSC_OWN_ERROR };

/* What is done with an object once nobody is inside of it any more. */
typedef enum wsc_lua_parting {
  WSC_PARTING_NONE,
  WSC_PARTING_LEAVE, /* the attempt ends: wsc_client_leave */
  WSC_PARTING_FREE
} wsc_lua_parting;

/* The userdata of both kinds of object.  There may be many: what is wide stands together, then what
 * is narrow, so that nothing is lost between.
 *
 * Lua code may run inside of a method: functions for randomness and the time, and finalizers
 * wherever Lua makes a value.  While a pointer into the connection is in use the object is held
 * (`held`, only over calls that come back whatever happens), and what would free it waits for the
 * last one out, wsc_lua_let_go. */
typedef struct wsc_lua_box {
  const void *mark;       /* tells the userdata from others, at less cost than their metatables */
  wsc_lua_shared *shared; /* counted; NULL once the object was closed */
  wsc_client *client;     /* owned; NULL in a protocol object */
  wsc_conn *conn;   /* owned by a protocol object; lent by the client, NULL before the first */
  lua_Number began; /* when the latest attempt did, on the client's clock */
  int url_ref; /* in the registry: the latest attempt's URL, or LUA_NOREF; lasts beyond leave */
  uint32_t attempts; /* how many there were */
  uint16_t held;     /* how many are inside */
  uint8_t parting;   /* wsc_lua_parting */
  bool failed;       /* what one of its functions raised is to be raised again */
  bool corked;       /* sends wait for the end of the turn */
  bool direct;       /* the call under way is the program's own, through its Lua object */
  bool close_taken;  /* the core gave the end and it is not yet handed to Lua */
  bool owns;         /* there is an `own` */
  wsc_lua_own own[];
} wsc_lua_box;

/* The first upvalues of every method. */
enum {
  WSC_UP_METATABLE = 1, /* of the object's kind */
  WSC_UP_CORE,          /* the module's table */
  WSC_UP_MESSAGE,       /* ready-made strings */
  WSC_UP_TEXT,
  WSC_UP_BINARY,
  WSC_UP_HANDLE, /* the field of a Lua object that holds its userdata */
  WSC_UP_ANCHOR, /* userdata, a wsc_lua_shared *: the platform */
  WSC_UP_MARK,   /* light userdata: of the object's kind */
  WSC_UP_INSIDE, /* wsc_lua_run_inside */
  WSC_UP_ON_MESSAGE,
  WSC_UP_COUNT = WSC_UP_ON_MESSAGE
};

/* What tells the boxes of the two kinds from all else, and from each other. */
extern const char wsc_lua_marks[2];

/* The userdata at `index` if it is of `size` bytes and its first word is `mark`, which tells the
 * kinds apart; NULL for anything else. */
void *wsc_lua_to_marked(lua_State *L, int index, const void *mark, size_t size);

/* The same of argument 1; raises that `expected` ("a loop") was, for anything else. */
void *wsc_lua_check_marked(lua_State *L, const void *mark, size_t size, const char *expected);

/* The client's box at `index`, or NULL if something else is there. */
wsc_lua_box *wsc_lua_to_client(lua_State *L, int index);

/* The box that a method was called with: the userdata, or a Lua object that holds it, which is then
 * replaced by it at index 1.  Raises for anything else. */
wsc_lua_box *wsc_lua_check_box(lua_State *L);

/* The same for a method that uses the connection.  Raises while it is held, and in a Lua state that
 * has closed it. */
wsc_lua_box *wsc_lua_use_box(lua_State *L);

/* Pushes an empty box of the kind and platform that the upvalues tell.  `random` and `clock`: stack
 * indices of functions or of nil. */
wsc_lua_box *wsc_lua_push_box(lua_State *L, int random, int clock);

/* Gives everything back but what is known of the latest attempt, at once or when it is let go of;
 * safe to repeat. */
void wsc_lua_free_box(wsc_lua_box *box);

/* Makes `L` the coroutine that runs, once the core was left: LuaJIT takes the one entered last for
 * it, which is the object's own after a call of its functions, until a C function returns.  After
 * an error before that, compiled code would write into a coroutine that does not run. */
void wsc_lua_come_back(lua_State *L, wsc_lua_box *box);

/* Every method's end, where it was inside of the core: carries out what waited for that, and raises
 * what the object's functions raised. */
void wsc_lua_let_go(lua_State *L, wsc_lua_box *box);

/* Calls `function` with the box, a light userdata, and the `count` values on top of the stack, in
 * the place of which its `results` are left; holds the box meanwhile.  What it raises is raised
 * again.  For what makes more than one Lua value out of the connection. */
void wsc_lua_call_inside(lua_State *L, wsc_lua_box *box, lua_CFunction function, int count,
                         int results);
int wsc_lua_run_inside(lua_State *L); /* its upvalue: ready-made, for making it collects garbage */

/* Keeps the string at `index` as the attempt's URL. */
void wsc_lua_keep_url(lua_State *L, wsc_lua_box *box, int index);

/* The platform to hand to the core. */
const wsc_platform *wsc_lua_platform(const wsc_lua_box *box);

/* Microseconds; negative ones count as 0, from 2^53 on as never. */
uint64_t wsc_lua_to_us(lua_Number seconds);

/* Adds the functions to the table at `table` (absolute), each with the WSC_UP_COUNT values on top
 * of the stack as upvalues; those stay there. */
void wsc_lua_set_methods(lua_State *L, int table, const luaL_Reg *methods);

#endif
