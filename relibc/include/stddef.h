/* Common definitions. */
#ifndef _STDDEF_H
#define _STDDEF_H

#ifdef __cplusplus
extern "C" {
#endif

#undef NULL
#ifdef __cplusplus
#define NULL 0L
#else
#define NULL ((void *)0)
#endif
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#ifndef __cplusplus
typedef __WCHAR_TYPE__ wchar_t;
#endif

#ifdef __cplusplus
typedef struct {
    long long __ll;
    long double __ld;
} max_align_t;
#else
typedef struct {
    _Alignas(long long) long long __ll;
    _Alignas(long double) long double __ld;
} max_align_t;
#endif
#define offsetof(type, member) __builtin_offsetof(type, member)

#ifdef __cplusplus
}
#endif
#endif
