/* Wide characters. */
#ifndef _WCHAR_H
#define _WCHAR_H

#include <bits/restrict.h>

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
#ifndef __cplusplus
typedef __WCHAR_TYPE__ wchar_t;
#endif
typedef unsigned wint_t;
typedef struct __locale *locale_t;
#include <bits/mbstate.h>
typedef __builtin_va_list va_list;

struct tm;
typedef struct __FILE FILE;
#ifndef WEOF
#define WEOF 0xffffffffU
#endif
#undef WCHAR_MAX
#undef WCHAR_MIN
#define WCHAR_MAX 2147483647
#define WCHAR_MIN (-2147483647 - 1)

wint_t btowc(int c);
int wctob(wint_t c);
int mbsinit(const mbstate_t *state);
size_t mbrlen(const char *__restrict_c text, size_t size, mbstate_t *__restrict_c state);
size_t mbrtowc(wchar_t *__restrict_c wide, const char *__restrict_c text, size_t size, mbstate_t *__restrict_c state);
size_t wcrtomb(char *__restrict_c text, wchar_t wide, mbstate_t *__restrict_c state);
size_t mbsrtowcs(wchar_t *__restrict_c to, const char **__restrict_c from, size_t count, mbstate_t *__restrict_c state);
size_t mbsnrtowcs(wchar_t *__restrict_c to, const char **__restrict_c from, size_t size, size_t count, mbstate_t *__restrict_c state);
size_t wcsrtombs(char *__restrict_c to, const wchar_t **__restrict_c from, size_t size, mbstate_t *__restrict_c state);
size_t wcsnrtombs(char *__restrict_c to, const wchar_t **__restrict_c from, size_t count, size_t size, mbstate_t *__restrict_c state);

wchar_t *wcscpy(wchar_t *__restrict_c to, const wchar_t *__restrict_c from);
wchar_t *wcsncpy(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count);
wchar_t *wcpcpy(wchar_t *__restrict_c to, const wchar_t *__restrict_c from);
wchar_t *wcpncpy(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count);
wchar_t *wcscat(wchar_t *__restrict_c to, const wchar_t *__restrict_c from);
wchar_t *wcsncat(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count);
int wcscmp(const wchar_t *a, const wchar_t *b);
int wcsncmp(const wchar_t *a, const wchar_t *b, size_t count);
int wcscasecmp(const wchar_t *a, const wchar_t *b);
int wcsncasecmp(const wchar_t *a, const wchar_t *b, size_t count);
int wcscasecmp_l(const wchar_t *a, const wchar_t *b, locale_t locale);
int wcsncasecmp_l(const wchar_t *a, const wchar_t *b, size_t count, locale_t locale);
int wcscoll(const wchar_t *a, const wchar_t *b);
int wcscoll_l(const wchar_t *a, const wchar_t *b, locale_t locale);
size_t wcsxfrm(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count);
size_t wcsxfrm_l(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count, locale_t locale);
wchar_t *wcschr(const wchar_t *text, wchar_t c);
wchar_t *wcsrchr(const wchar_t *text, wchar_t c);
size_t wcscspn(const wchar_t *text, const wchar_t *reject);
size_t wcsspn(const wchar_t *text, const wchar_t *accept);
wchar_t *wcspbrk(const wchar_t *text, const wchar_t *accept);
wchar_t *wcsstr(const wchar_t *text, const wchar_t *part);
wchar_t *wcswcs(const wchar_t *text, const wchar_t *part);
wchar_t *wcstok(wchar_t *__restrict_c text, const wchar_t *__restrict_c separators, wchar_t **__restrict_c state);
size_t wcslen(const wchar_t *text);
size_t wcsnlen(const wchar_t *text, size_t count);
wchar_t *wcsdup(const wchar_t *text);
wchar_t *wmemchr(const wchar_t *memory, wchar_t c, size_t count);
int wmemcmp(const wchar_t *a, const wchar_t *b, size_t count);
wchar_t *wmemcpy(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count);
wchar_t *wmemmove(wchar_t *to, const wchar_t *from, size_t count);
wchar_t *wmempcpy(wchar_t *__restrict_c to, const wchar_t *__restrict_c from, size_t count);
wchar_t *wmemset(wchar_t *memory, wchar_t c, size_t count);
int wcwidth(wchar_t c);
int wcswidth(const wchar_t *text, size_t count);
float wcstof(const wchar_t *__restrict_c text, wchar_t **__restrict_c end);
double wcstod(const wchar_t *__restrict_c text, wchar_t **__restrict_c end);
long double wcstold(const wchar_t *__restrict_c text, wchar_t **__restrict_c end);
long wcstol(const wchar_t *__restrict_c text, wchar_t **__restrict_c end, int base);
long long wcstoll(const wchar_t *__restrict_c text, wchar_t **__restrict_c end, int base);
unsigned long wcstoul(const wchar_t *__restrict_c text, wchar_t **__restrict_c end, int base);
unsigned long long wcstoull(const wchar_t *__restrict_c text, wchar_t **__restrict_c end, int base);
size_t wcsftime(wchar_t *__restrict_c buffer, size_t size, const wchar_t *__restrict_c format, const struct tm *__restrict_c time);

wint_t fgetwc(FILE *stream);
wint_t getwc(FILE *stream);
wint_t getwchar(void);
wint_t ungetwc(wint_t c, FILE *stream);
wchar_t *fgetws(wchar_t *__restrict_c buffer, int size, FILE *__restrict_c stream);
wint_t fputwc(wchar_t c, FILE *stream);
wint_t putwc(wchar_t c, FILE *stream);
wint_t putwchar(wchar_t c);
int fputws(const wchar_t *__restrict_c text, FILE *__restrict_c stream);
int fwide(FILE *stream, int mode);
FILE *open_wmemstream(wchar_t **memory, size_t *size);
int wprintf(const wchar_t *__restrict_c format, ...);
int fwprintf(FILE *__restrict_c stream, const wchar_t *__restrict_c format, ...);
int swprintf(wchar_t *__restrict_c buffer, size_t size, const wchar_t *__restrict_c format, ...);
int vwprintf(const wchar_t *__restrict_c format, __builtin_va_list list);
int vfwprintf(FILE *__restrict_c stream, const wchar_t *__restrict_c format, __builtin_va_list list);
int vswprintf(wchar_t *__restrict_c buffer, size_t size, const wchar_t *__restrict_c format, __builtin_va_list list);
int wscanf(const wchar_t *__restrict_c format, ...);
int fwscanf(FILE *__restrict_c stream, const wchar_t *__restrict_c format, ...);
int swscanf(const wchar_t *__restrict_c text, const wchar_t *__restrict_c format, ...);
int vwscanf(const wchar_t *__restrict_c format, __builtin_va_list list);
int vfwscanf(FILE *__restrict_c stream, const wchar_t *__restrict_c format, __builtin_va_list list);
int vswscanf(const wchar_t *__restrict_c text, const wchar_t *__restrict_c format, __builtin_va_list list);

#ifdef __cplusplus
}
#endif
#endif
