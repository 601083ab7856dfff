/* More about streams. */
#ifndef _STDIO_EXT_H
#define _STDIO_EXT_H

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

size_t __fbufsize(FILE *stream);
size_t __fpending(FILE *stream);
int __freading(FILE *stream);
int __fwriting(FILE *stream);
int __freadable(FILE *stream);
int __fwritable(FILE *stream);
int __flbf(FILE *stream);
void __fpurge(FILE *stream);
void _flushlbf(void);

#ifdef __cplusplus
}
#endif
#endif
