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
} wsc_lua_shared;

/* NULL: no memory. */
wsc_lua_shared *wsc_lua_shared_new(const wsc_platform *platform);
void wsc_lua_shared_drop(wsc_lua_shared *shared);

/* What only an object with a randomness of its own has. */
typedef struct wsc_lua_own {
  wsc_platform platform; /* the shared one, but for that randomness */
  lua_State *L;          /* of the call under way: where the function is to be called */
} wsc_lua_own;

/* The userdata of both kinds of object.  There may be many: what is wide stands together, then what
 * is narrow, so that nothing is lost between. */
typedef struct wsc_lua_box {
  const void *mark;       /* tells the userdata from others, at less cost than their metatables */
  wsc_lua_shared *shared; /* counted; NULL once the object was closed */
  wsc_client *client;     /* owned; NULL in a protocol object */
  wsc_conn *conn;     /* owned by a protocol object; lent by the client, NULL before the first */
  uint64_t wait_us;   /* how long a step that is due may wait */
  uint64_t now_us;    /* of the latest step */
  lua_Number began;   /* when the latest attempt did, on the client's clock */
  int random_ref;     /* in the registry; LUA_NOREF without one */
  int clock_ref;      /* as random_ref, of a client's clock */
  int url_ref;        /* as random_ref, of the latest attempt's URL; lasts beyond leave */
  uint32_t attempts;  /* how many there were */
  bool random_failed; /* what it raised lies on the stack */
  bool corked;        /* sends wait for the end of the step */
  bool watched;       /* the program saw bytes waiting: tell it when they are gone */
  bool paused;        /* no events are handed out */
  bool more;          /* the latest step left something to read */
  bool unread;        /* there may be events not yet handed out */
  bool step_due;      /* a turn has begun, and its step was not made */
  bool lively;        /* the latest wait brought something */
  bool look;          /* a flush may have brought the end: no waiting before looking */
  bool direct;        /* the call under way is the program's own, through its Lua object */
  bool close_taken;   /* the core gave the end and it is not yet handed to Lua */
  bool ended;         /* that was the attempt's end: nothing follows it */
  wsc_lua_own own[];  /* one, with random_ref */
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
  WSC_UP_COUNT = WSC_UP_ANCHOR
};

/* The box at `index`, or NULL if something else is there. */
wsc_lua_box *wsc_lua_to_box(lua_State *L, int index);

/* The box that a method was called with: the userdata, or a Lua object that holds it, which is then
 * replaced by it at index 1.  Raises for anything else. */
wsc_lua_box *wsc_lua_check_box(lua_State *L);

/* Pushes an empty box of the kind and platform that the upvalues tell.  `random` and `clock`: stack
 * indices of functions or of nil. */
wsc_lua_box *wsc_lua_push_box(lua_State *L, int random, int clock);

/* Gives everything back but what is known of the latest attempt; safe to repeat. */
void wsc_lua_free_box(lua_State *L, wsc_lua_box *box);

/* Keeps the string at `index` as the attempt's URL. */
void wsc_lua_keep_url(lua_State *L, wsc_lua_box *box, int index);

/* The platform to hand to the core. */
const wsc_platform *wsc_lua_platform(const wsc_lua_box *box);

/* The time on the object's clock: that of a Lua function, which may raise, or the system's. */
uint64_t wsc_lua_now(lua_State *L, const wsc_lua_box *box);

/* Microseconds; negative ones count as 0, from 2^53 on as never. */
uint64_t wsc_lua_to_us(lua_Number seconds);

/* Raises what the Lua source of randomness raised inside the core.  Called when the core is left.
 */
void wsc_lua_reraise(lua_State *L, wsc_lua_box *box);

/* Adds the functions to the table at `table` (absolute), each with the WSC_UP_COUNT values on top
 * of the stack as upvalues; those stay there. */
void wsc_lua_set_methods(lua_State *L, int table, const luaL_Reg *methods);

#endif
