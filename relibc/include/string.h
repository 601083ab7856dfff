/* Strings and memory. */
#ifndef _STRING_H
#define _STRING_H

#include <bits/restrict.h>
#include <strings.h>

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
typedef struct __locale *locale_t;

void *memchr(const void *memory, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memcpy(void *__restrict_c to, const void *__restrict_c from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *memory, int byte, size_t size);
void *memccpy(void *__restrict_c to, const void *__restrict_c from, int byte, size_t size);
char *strcat(char *__restrict_c to, const char *__restrict_c from);
char *strchr(const char *text, int c);
int strcmp(const char *a, const char *b);
int strcoll(const char *a, const char *b);
char *strcpy(char *__restrict_c to, const char *__restrict_c from);
size_t strcspn(const char *text, const char *reject);
char *strerror(int number);
size_t strlen(const char *text);
char *strncat(char *__restrict_c to, const char *__restrict_c from, size_t size);
int strncmp(const char *a, const char *b, size_t size);
char *strncpy(char *__restrict_c to, const char *__restrict_c from, size_t size);
char *strpbrk(const char *text, const char *accept);
char *strrchr(const char *text, int c);
size_t strspn(const char *text, const char *accept);
char *strstr(const char *text, const char *part);
char *strtok(char *__restrict_c text, const char *__restrict_c separators);
size_t strxfrm(char *__restrict_c to, const char *__restrict_c from, size_t size);

char *stpcpy(char *__restrict_c to, const char *__restrict_c from);
char *stpncpy(char *__restrict_c to, const char *__restrict_c from, size_t size);
char *strdup(const char *text);
char *strndup(const char *text, size_t size);
size_t strnlen(const char *text, size_t size);
int strerror_r(int number, char *buffer, size_t size);
char *strsignal(int signal);
char *strtok_r(char *__restrict_c text, const char *__restrict_c separators, char **__restrict_c state);
int strcoll_l(const char *a, const char *b, locale_t locale);
size_t strxfrm_l(char *__restrict_c to, const char *__restrict_c from, size_t size, locale_t locale);
char *strerror_l(int number, locale_t locale);

void *memmem(const void *text, size_t size, const void *part, size_t part_size);
void *memrchr(const void *memory, int byte, size_t size);
void *mempcpy(void *__restrict_c to, const void *__restrict_c from, size_t size);
void *rawmemchr(const void *memory, int byte);
char *strchrnul(const char *text, int c);
char *strcasestr(const char *text, const char *part);
char *strsep(char **__restrict_c text, const char *__restrict_c separators);
size_t strlcpy(char *__restrict_c to, const char *__restrict_c from, size_t size);
size_t strlcat(char *__restrict_c to, const char *__restrict_c from, size_t size);
int strverscmp(const char *a, const char *b);
void explicit_bzero(void *memory, size_t size);

#ifdef __cplusplus
}
#endif
#endif
