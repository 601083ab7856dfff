/* What the C library's headers expect a compiler to know, as far as it can be said in C; read before every file. */
#ifndef _TCC_BUILTINS_H
#define _TCC_BUILTINS_H

#define __INT8_TYPE__ signed char
#define __UINT8_TYPE__ unsigned char
#define __INT16_TYPE__ short
#define __UINT16_TYPE__ unsigned short
#define __INT32_TYPE__ int
#define __UINT32_TYPE__ unsigned int
#define __INT64_TYPE__ long
#define __UINT64_TYPE__ unsigned long
#define __INTPTR_TYPE__ long
#define __UINTPTR_TYPE__ unsigned long
#define __INTMAX_TYPE__ long
#define __UINTMAX_TYPE__ unsigned long
#define __CHAR16_TYPE__ unsigned short
#define __CHAR32_TYPE__ unsigned int

#define __builtin_bswap16(x) ({ unsigned short __v = (x); (unsigned short)(__v << 8 | __v >> 8); })
#define __builtin_bswap32(x) ({ unsigned int __v = (x); \
    __v << 24 | (__v & 0xff00) << 8 | (__v >> 8 & 0xff00) | __v >> 24; })
#define __builtin_bswap64(x) ({ unsigned long __v = (x); \
    __v = (__v & 0x00ff00ff00ff00fful) << 8 | (__v >> 8 & 0x00ff00ff00ff00fful); \
    __v = (__v & 0x0000ffff0000fffful) << 16 | (__v >> 16 & 0x0000ffff0000fffful); \
    __v << 32 | __v >> 32; })
#define __builtin_popcountl(x) ({ unsigned long __v = (x); int __n = 0; \
    for (; __v; __v &= __v - 1) __n++; __n; })

#define __builtin_huge_val() 1e5000
#define __builtin_huge_valf() 1e5000f
#define __builtin_huge_vall() 1e5000L
#define __builtin_inff() 1e5000f
#define __builtin_nanf(text) (0.0f / 0.0f)
#define __builtin_isnan(x) ({ __typeof__(x) __v = (x); __v != __v; })
#define __builtin_isfinite(x) ({ __typeof__(x) __v = (x); __v - __v == 0; })
#define __builtin_isinf(x) ({ __typeof__(x) __v = (x); __v == __v && __v - __v != 0; })
#define __tcc_smallest(v) (sizeof(v) == 4 ? 0x1p-126L : sizeof(v) == 8 ? 0x1p-1022L : 0x1p-16382L)
#define __builtin_isnormal(x) ({ __typeof__(x) __v = (x); \
    __v - __v == 0 && (__v < 0 ? -__v : __v) >= __tcc_smallest(__v); })
#define __builtin_fpclassify(nan, infinite, normal, subnormal, zero, x) ({ __typeof__(x) __v = (x); \
    __v != __v ? (nan) : __v - __v != 0 ? (infinite) : __v == 0 ? (zero) : \
    (__v < 0 ? -__v : __v) < __tcc_smallest(__v) ? (subnormal) : (normal); })
#define __builtin_signbit(x) ({ __typeof__(x) __v = (x); \
    ((unsigned char *)&__v)[sizeof(__v) == 16 ? 9 : sizeof(__v) - 1] >> 7; })
#define __builtin_isgreater(x, y) ((x) > (y))
#define __builtin_isgreaterequal(x, y) ((x) >= (y))
#define __builtin_isless(x, y) ((x) < (y))
#define __builtin_islessequal(x, y) ((x) <= (y))
#define __builtin_islessgreater(x, y) ({ __typeof__(x) __a = (x); __typeof__(y) __b = (y); __a < __b || __a > __b; })
#define __builtin_isunordered(x, y) ({ __typeof__(x) __a = (x); __typeof__(y) __b = (y); __a != __a || __b != __b; })

#endif
