/* Regular expressions. */
#ifndef _REGEX_H
#define _REGEX_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;

typedef long regoff_t;
typedef struct {
    size_t re_nsub;
    void *__program;
} regex_t;
typedef struct {
    regoff_t rm_so;
    regoff_t rm_eo;
} regmatch_t;

#define REG_EXTENDED 1
#define REG_ICASE 2
#define REG_NOSUB 4
#define REG_NEWLINE 8
#define REG_NOTBOL 16
#define REG_NOTEOL 32
#define REG_STARTEND 64
#define REG_NOMATCH 1
#define REG_BADPAT 2
#define REG_ECOLLATE 3
#define REG_ECTYPE 4
#define REG_EESCAPE 5
#define REG_ESUBREG 6
#define REG_EBRACK 7
#define REG_EPAREN 8
#define REG_EBRACE 9
#define REG_BADBR 10
#define REG_ERANGE 11
#define REG_ESPACE 12
#define REG_BADRPT 13

int regcomp(regex_t *__restrict_c compiled, const char *__restrict_c pattern, int flags);
int regexec(const regex_t *__restrict_c compiled, const char *__restrict_c text, size_t count, regmatch_t *__restrict_c matches, int flags);
size_t regerror(int error, const regex_t *__restrict_c compiled, char *__restrict_c buffer, size_t size);
void regfree(regex_t *compiled);

#ifdef __cplusplus
}
#endif
#endif
