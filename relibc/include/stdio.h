/* Input and output. */
#ifndef _STDIO_H
#define _STDIO_H

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
typedef long ssize_t;
typedef long long off_t;
typedef __builtin_va_list va_list;

typedef struct __FILE FILE;
typedef union {
    char __opaque[16];
    long long __position;
} fpos_t;

#define BUFSIZ 1024
#define EOF (-1)
#define FILENAME_MAX 4096
#define FOPEN_MAX 1000
#define L_tmpnam 20
#define TMP_MAX 10000
#define L_ctermid 20
#define P_tmpdir "/tmp"
#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

extern FILE *stdin;
extern FILE *stdout;
extern FILE *stderr;
#define stdin stdin
#define stdout stdout
#define stderr stderr

FILE *fopen(const char *__restrict_c path, const char *__restrict_c mode);
FILE *freopen(const char *__restrict_c path, const char *__restrict_c mode, FILE *__restrict_c stream);
FILE *fdopen(int fd, const char *mode);
FILE *fmemopen(void *__restrict_c memory, size_t size, const char *__restrict_c mode);
FILE *open_memstream(char **memory, size_t *size);
FILE *tmpfile(void);
char *tmpnam(char *name);
char *tempnam(const char *directory, const char *prefix);
int fclose(FILE *stream);
int fflush(FILE *stream);
int setvbuf(FILE *__restrict_c stream, char *__restrict_c buffer, int mode, size_t size);
void setbuf(FILE *__restrict_c stream, char *__restrict_c buffer);
void setbuffer(FILE *stream, char *buffer, size_t size);
void setlinebuf(FILE *stream);
size_t fread(void *__restrict_c memory, size_t size, size_t count, FILE *__restrict_c stream);
size_t fwrite(const void *__restrict_c memory, size_t size, size_t count, FILE *__restrict_c stream);
int fgetc(FILE *stream);
int getc(FILE *stream);
int getchar(void);
int ungetc(int c, FILE *stream);
char *fgets(char *__restrict_c buffer, int size, FILE *__restrict_c stream);
int fputc(int c, FILE *stream);
int putc(int c, FILE *stream);
int putchar(int c);
int fputs(const char *__restrict_c text, FILE *__restrict_c stream);
int puts(const char *text);
int getw(FILE *stream);
int putw(int word, FILE *stream);
ssize_t getline(char **__restrict_c line, size_t *__restrict_c size, FILE *__restrict_c stream);
ssize_t getdelim(char **__restrict_c line, size_t *__restrict_c size, int delimiter, FILE *__restrict_c stream);
int fseek(FILE *stream, long offset, int whence);
int fseeko(FILE *stream, off_t offset, int whence);
long ftell(FILE *stream);
off_t ftello(FILE *stream);
void rewind(FILE *stream);
int fgetpos(FILE *__restrict_c stream, fpos_t *__restrict_c position);
int fsetpos(FILE *stream, const fpos_t *position);
int feof(FILE *stream);
int ferror(FILE *stream);
void clearerr(FILE *stream);
int fileno(FILE *stream);
void perror(const char *prefix);
void flockfile(FILE *stream);
int ftrylockfile(FILE *stream);
void funlockfile(FILE *stream);
int getc_unlocked(FILE *stream);
int getchar_unlocked(void);
int putc_unlocked(int c, FILE *stream);
int putchar_unlocked(int c);
int fgetc_unlocked(FILE *stream);
int fputc_unlocked(int c, FILE *stream);
size_t fread_unlocked(void *__restrict_c memory, size_t size, size_t count, FILE *__restrict_c stream);
size_t fwrite_unlocked(const void *__restrict_c memory, size_t size, size_t count, FILE *__restrict_c stream);
char *fgets_unlocked(char *__restrict_c buffer, int size, FILE *__restrict_c stream);
int fputs_unlocked(const char *__restrict_c text, FILE *__restrict_c stream);
int fflush_unlocked(FILE *stream);
int feof_unlocked(FILE *stream);
int ferror_unlocked(FILE *stream);
void clearerr_unlocked(FILE *stream);
int fileno_unlocked(FILE *stream);

__attribute__((__format__(__printf__, 1, 2))) int printf(const char *__restrict_c format, ...);
__attribute__((__format__(__printf__, 2, 3))) int fprintf(FILE *__restrict_c stream, const char *__restrict_c format, ...);
__attribute__((__format__(__printf__, 2, 3))) int dprintf(int fd, const char *__restrict_c format, ...);
__attribute__((__format__(__printf__, 2, 3))) int sprintf(char *__restrict_c buffer, const char *__restrict_c format, ...);
__attribute__((__format__(__printf__, 3, 4))) int snprintf(char *__restrict_c buffer, size_t size, const char *__restrict_c format, ...);
__attribute__((__format__(__printf__, 2, 3))) int asprintf(char **text, const char *format, ...);
__attribute__((__format__(__printf__, 1, 0))) int vprintf(const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__printf__, 2, 0))) int vfprintf(FILE *__restrict_c stream, const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__printf__, 2, 0))) int vdprintf(int fd, const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__printf__, 2, 0))) int vsprintf(char *__restrict_c buffer, const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__printf__, 3, 0))) int vsnprintf(char *__restrict_c buffer, size_t size, const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__printf__, 2, 0))) int vasprintf(char **text, const char *format, __builtin_va_list list);
__attribute__((__format__(__scanf__, 1, 2))) int scanf(const char *__restrict_c format, ...);
__attribute__((__format__(__scanf__, 2, 3))) int fscanf(FILE *__restrict_c stream, const char *__restrict_c format, ...);
__attribute__((__format__(__scanf__, 2, 3))) int sscanf(const char *__restrict_c text, const char *__restrict_c format, ...);
__attribute__((__format__(__scanf__, 1, 0))) int vscanf(const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__scanf__, 2, 0))) int vfscanf(FILE *__restrict_c stream, const char *__restrict_c format, __builtin_va_list list);
__attribute__((__format__(__scanf__, 2, 0))) int vsscanf(const char *__restrict_c text, const char *__restrict_c format, __builtin_va_list list);

int remove(const char *path);
int rename(const char *from, const char *to);
int renameat(int from_fd, const char *from, int to_fd, const char *to);
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
FILE *popen(const char *command, const char *mode);
int pclose(FILE *stream);
char *ctermid(char *name);

#ifdef __cplusplus
}
#endif
#endif
