/* The last include of every C file: what the file defines stays inside the module or program that
 * it is linked into, whatever flags it is compiled with.  Two wscloses in one process, one of Lua's
 * and one of the engine's own, then never meet.  What wsclose.h or an attribute has made visible
 * remains so.  No guard: the one file of `make amalgamation` includes it many times. */
#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(hidden)
#endif
