/* Diagnostics. May be included again with another NDEBUG. */
#include <bits/restrict.h>

#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) ((condition) ? (void)0 : __assert_fail(#condition, __FILE__, __LINE__, __func__))
#endif

#ifndef _ASSERT_H
#define _ASSERT_H
#if !defined(__cplusplus) && __STDC_VERSION__ >= 201112L
#undef static_assert
#define static_assert _Static_assert
#endif
#ifdef __cplusplus
extern "C" {
#endif
__noreturn_c void __assert_fail(const char *condition, const char *file, int line, const char *function);
#ifdef __cplusplus
}
#endif
#endif
