/* Has the compiler check values, from argument `first` on, against the format that is argument
 * `at`, where it can. */
#ifndef WSC_CORE_PRINTF_LIKE_H
#define WSC_CORE_PRINTF_LIKE_H

#if defined(__GNUC__)
#define WSC_PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#else
#define WSC_PRINTF_LIKE(at, first)
#endif

#endif
