/* Messages and exits. */
#ifndef _ERR_H
#define _ERR_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

void warn(const char *format, ...);
void warnx(const char *format, ...);
__noreturn_c void err(int status, const char *format, ...);
__noreturn_c void errx(int status, const char *format, ...);
void vwarn(const char *format, __builtin_va_list list);
void vwarnx(const char *format, __builtin_va_list list);
__noreturn_c void verr(int status, const char *format, __builtin_va_list list);
__noreturn_c void verrx(int status, const char *format, __builtin_va_list list);

#ifdef __cplusplus
}
#endif
#endif
