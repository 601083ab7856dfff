/* Conversion of character sets. */
#ifndef _ICONV_H
#define _ICONV_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;

typedef void *iconv_t;

iconv_t iconv_open(const char *to, const char *from);
size_t iconv(iconv_t conversion, char **__restrict_c in, size_t *__restrict_c in_left, char **__restrict_c out, size_t *__restrict_c out_left);
int iconv_close(iconv_t conversion);

#ifdef __cplusplus
}
#endif
#endif
