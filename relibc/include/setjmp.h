/* Non-local jumps. */
#ifndef _SETJMP_H
#define _SETJMP_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long long jmp_buf[8];
typedef unsigned long long sigjmp_buf[10];

__attribute__((__returns_twice__)) int setjmp(jmp_buf buffer);
__attribute__((__returns_twice__)) int _setjmp(jmp_buf buffer);
__attribute__((__returns_twice__)) int sigsetjmp(sigjmp_buf buffer, int save);
__noreturn_c void longjmp(jmp_buf buffer, int value);
__noreturn_c void _longjmp(jmp_buf buffer, int value);
__noreturn_c void siglongjmp(sigjmp_buf buffer, int value);
#define setjmp setjmp

#ifdef __cplusplus
}
#endif
#endif
