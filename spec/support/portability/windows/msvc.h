/* In front of each source when clang reads it as MSVC would, with mingw-w64's headers.  Those write
 * some attributes where only gcc takes them; and clang's own vectors do not go with them, but where
 * MSVC compiles, wsclose uses none. */
#include <_mingw.h>

#undef __MINGW_ATTRIB_DEPRECATED
#define __MINGW_ATTRIB_DEPRECATED
#undef __MINGW_ATTRIB_NORETURN
#define __MINGW_ATTRIB_NORETURN

#define __MMINTRIN_H
#define __XMMINTRIN_H
#define __EMMINTRIN_H
#define __IMMINTRIN_H
#define __INTRIN_H
#define __X86INTRIN_H
