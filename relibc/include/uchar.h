/* UTF-16 and UTF-32 characters. */
#ifndef _UCHAR_H
#define _UCHAR_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;
#include <bits/mbstate.h>

#ifndef __cplusplus
typedef __CHAR16_TYPE__ char16_t;
typedef __CHAR32_TYPE__ char32_t;
#endif
size_t mbrtoc16(char16_t *__restrict_c wide, const char *__restrict_c text, size_t size, mbstate_t *__restrict_c state);
size_t c16rtomb(char *__restrict_c text, char16_t wide, mbstate_t *__restrict_c state);
size_t mbrtoc32(char32_t *__restrict_c wide, const char *__restrict_c text, size_t size, mbstate_t *__restrict_c state);
size_t c32rtomb(char *__restrict_c text, char32_t wide, mbstate_t *__restrict_c state);

#ifdef __cplusplus
}
#endif
#endif
