/* Conformance tables: each section writes rows of text; what they are to be was written by the same source
   on a host with glibc (expected/, regenerated and checked by relibc/core/tests/conform.rs). */
#ifndef CONFORM_H
#define CONFORM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdio.h>

/* Adds a row. Rows make use of arguments being evaluated from left to right, as clang does it. */
__attribute__((format(printf, 1, 2))) void row(const char *format, ...);
/* Shows bytes with escapes, in one of a few places that are used in turn. */
const char *shown(const char *text);
const char *shown_bytes(const void *bytes, size_t count);
/* A number with so many significant digits; the sign of a NaN does not count. */
const char *number(double x, int digits);
const char *long_number(long double x, int digits);
/* The name of an error number. */
const char *error(int number);

/* A folder of the program's own that is empty at the beginning of a section that asks for it. */
extern const char *scratch;

void section_math(void);
void section_long_math(void);
void section_complex(void);
void section_environment(void);
void section_text(void);
void section_wide(void);
void section_convert(void);
void section_print(void);
void section_scan(void);
void section_streams(void);
void section_time(void);
void section_patterns(void);
void section_tables(void);
void section_words(void);
void section_files(void);
void section_misc(void);

#define COUNT(list) (sizeof(list) / sizeof *(list))
#endif
