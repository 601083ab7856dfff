/* General utilities. */
#ifndef _STDLIB_H
#define _STDLIB_H

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

typedef struct {
    int quot, rem;
} div_t;
typedef struct {
    long quot, rem;
} ldiv_t;
typedef struct {
    long long quot, rem;
} lldiv_t;

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff
size_t __mb_cur_max(void);
#define MB_CUR_MAX (__mb_cur_max())

int abs(int n);
long labs(long n);
long long llabs(long long n);
div_t div(int numerator, int denominator);
ldiv_t ldiv(long numerator, long denominator);
lldiv_t lldiv(long long numerator, long long denominator);
double atof(const char *text);
int atoi(const char *text);
long atol(const char *text);
long long atoll(const char *text);
float strtof(const char *__restrict_c text, char **__restrict_c end);
double strtod(const char *__restrict_c text, char **__restrict_c end);
long double strtold(const char *__restrict_c text, char **__restrict_c end);
long strtol(const char *__restrict_c text, char **__restrict_c end, int base);
long long strtoll(const char *__restrict_c text, char **__restrict_c end, int base);
unsigned long strtoul(const char *__restrict_c text, char **__restrict_c end, int base);
unsigned long long strtoull(const char *__restrict_c text, char **__restrict_c end, int base);
int rand(void);
void srand(unsigned seed);
int rand_r(unsigned *seed);
long random(void);
void srandom(unsigned seed);
char *initstate(unsigned seed, char *state, size_t size);
char *setstate(char *state);
double drand48(void);
double erand48(unsigned short state[3]);
long lrand48(void);
long nrand48(unsigned short state[3]);
long mrand48(void);
long jrand48(unsigned short state[3]);
void srand48(long seed);
unsigned short *seed48(unsigned short state[3]);
void lcong48(unsigned short parameters[7]);
void *bsearch(const void *key, const void *base, size_t count, size_t size, int (*compare)(const void *, const void *));
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *));
void qsort_r(void *base, size_t count, size_t size, int (*compare)(const void *, const void *, void *), void *context);
int mblen(const char *text, size_t size);
int mbtowc(wchar_t *__restrict_c wide, const char *__restrict_c text, size_t size);
int wctomb(char *text, wchar_t wide);
size_t mbstowcs(wchar_t *__restrict_c to, const char *__restrict_c from, size_t count);
size_t wcstombs(char *__restrict_c to, const wchar_t *__restrict_c from, size_t size);
long a64l(const char *text);
char *l64a(long value);
int getsubopt(char **option, char *const *tokens, char **value);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void *reallocarray(void *memory, size_t count, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **memory, size_t alignment, size_t size);
void free(void *memory);

__noreturn_c void abort(void);
__noreturn_c void exit(int status);
__noreturn_c void _Exit(int status);
__noreturn_c void quick_exit(int status);
int atexit(void (*function)(void));
int at_quick_exit(void (*function)(void));
int system(const char *command);
char *getenv(const char *name);
char *secure_getenv(const char *name);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
int putenv(char *assignment);
int clearenv(void);
char *realpath(const char *__restrict_c path, char *__restrict_c resolved);
char *mkdtemp(char *pattern);
int mkstemp(char *pattern);
int mkostemp(char *pattern, int flags);
int mkstemps(char *pattern, int suffix);
int mkostemps(char *pattern, int suffix, int flags);
char *mktemp(char *pattern);
int posix_openpt(int flags);
int grantpt(int fd);
int unlockpt(int fd);
char *ptsname(int fd);
int ptsname_r(int fd, char *buffer, size_t size);
int getloadavg(double *averages, int count);

#ifdef __cplusplus
}
#endif
#endif
