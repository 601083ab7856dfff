/* <string.h>, <strings.h>, <ctype.h>. */
#include "conform.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#if defined __GLIBC__ && (__GLIBC__ < 2 || __GLIBC__ == 2 && __GLIBC_MINOR__ < 38)
/* What a host that is too old to have them would answer. */
static size_t strlcpy(char *to, const char *from, size_t size) {
    return snprintf(to, size, "%s", from);
}
static size_t strlcat(char *to, const char *from, size_t size) {
    size_t used = strnlen(to, size);
    return used + snprintf(to + used, size - used, "%s", from);
}
#endif

static const char *const samples[] = {"", "a", "abc", "abcabc", "ABC", "a,b;;c", "x1y22z333", "tail\xff\x80", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzza"};

static int sign(int x) { return (x > 0) - (x < 0); }
static long at(const void *base, const void *found) { return found ? (long)((const char *)found - (const char *)base) : -1; }

static void searching(void) {
    for (size_t i = 0; i < COUNT(samples); i++) {
        const char *s = samples[i];
        row("%s: %zu, %zu, %zu", shown(s), strlen(s), strnlen(s, 3), strnlen(s, 100));
        static const int bytes[] = {'a', 'c', 0, 0xff, 'q', 'a' + 256};
        for (size_t j = 0; j < COUNT(bytes); j++)
            row(" %d: %ld %ld %ld %ld %ld %ld", bytes[j], at(s, strchr(s, bytes[j])), at(s, strrchr(s, bytes[j])), at(s, strchrnul(s, bytes[j])),
                at(s, memchr(s, bytes[j], strlen(s))), at(s, memrchr(s, bytes[j], strlen(s))), at(s, index(s, bytes[j])) + at(s, rindex(s, bytes[j])));
        for (size_t j = 0; j < COUNT(samples); j++) {
            const char *t = samples[j];
            row(" %s: %ld %ld %ld %zu %zu %ld", shown(t), at(s, strstr(s, t)), at(s, strcasestr(s, t)), at(s, memmem(s, strlen(s), t, strlen(t))),
                strspn(s, t), strcspn(s, t), at(s, strpbrk(s, t)));
            row(" compare: %d %d %d %d %d %d %d", sign(strcmp(s, t)), sign(strncmp(s, t, 2)), sign(strcasecmp(s, t)), sign(strncasecmp(s, t, 2)),
                sign(memcmp(s, t, strlen(s) < strlen(t) ? strlen(s) : strlen(t))), sign(strcoll(s, t)), sign(strverscmp(s, t)));
        }
        row(" raw: %ld", at(s, rawmemchr(s, 0)));
    }
    row("bcmp: %d %d", bcmp("ab", "ab", 2), bcmp("ab", "ac", 2) != 0);
    static const char *const versions[][2] = {{"item#99", "item#100"}, {"a1.5", "a1.10"}, {"000", "00"}, {"00", "01"}, {"09", "0"}, {"1.0a", "1.0"}, {"x", "x"}};
    for (size_t i = 0; i < COUNT(versions); i++)
        row("strverscmp(%s, %s) = %d", versions[i][0], versions[i][1], sign(strverscmp(versions[i][0], versions[i][1])));
}

static void copying(void) {
    char b[64];
    memset(b, '#', sizeof b);
    row("strcpy %d: %s", strcpy(b, "hello") == b, shown_bytes(b, 8));
    row("stpcpy %ld: %s", at(b, stpcpy(b, "hi")), shown_bytes(b, 8));
    row("strncpy: %s", shown_bytes(strncpy(b, "abc", 6), 8));
    row("strncpy short: %s", shown_bytes(strncpy(b, "XYZ", 2), 8));
    row("stpncpy %ld: %s", at(b, stpncpy(b, "q", 4)), shown_bytes(b, 8));
    row("stpncpy full %ld: %s", at(b, stpncpy(b, "qwerty", 4)), shown_bytes(b, 8));
    strcpy(b, "one");
    row("strcat: %s", shown(strcat(b, "two")));
    row("strncat: %s", shown(strncat(b, "three", 2)));
    row("strlcpy %zu: %s", strlcpy(b, "long text", 5), shown(b));
    row("strlcpy none %zu", strlcpy(b, "text", 0));
    row("strlcat %zu: %s", strlcat(b, "!!!", 7), shown(b));
    row("strlcat full %zu", strlcat(b, "more", 3));
    memcpy(b, "0123456789", 11);
    row("memmove: %s", shown((memmove(b + 2, b, 5), b)));
    row("memmove back: %s", shown((memmove(b, b + 3, 5), b)));
    row("mempcpy %ld", at(b, mempcpy(b, "zz", 2)));
    row("memccpy %ld: %s", at(b, memccpy(b, "ab:cd", ':', 5)), shown_bytes(b, 6));
    row("memccpy none %ld", at(b, memccpy(b, "abcd", ':', 4)));
    bcopy("xy", b, 2), bzero(b + 2, 2);
    row("bcopy: %s", shown_bytes(b, 6));
    explicit_bzero(b, 3);
    row("explicit_bzero: %s", shown_bytes(b, 6));
    swab("abcdef", b, 6);
    row("swab: %s", shown_bytes(b, 6));
    char *copy = strdup("copied");
    row("strdup: %s", copy), free(copy);
    row("strndup: %s", copy = strndup("copied", 3)), free(copy);
    row("strndup long: %s", copy = strndup("copied", 300)), free(copy);
    strxfrm(b, "sort", sizeof b);
    char c[64];
    strxfrm(c, "soru", sizeof c);
    row("strxfrm: %d", sign(strcmp(b, c)));
}

static void splitting(void) {
    char text[64], *rest, *word;
    strcpy(text, ",,one,two;three,");
    for (word = strtok(text, ",;"); word; word = strtok(NULL, ",;"))
        row("strtok: %s", word);
    strcpy(text, "a:b::c");
    for (word = strtok_r(text, ":", &rest); word; word = strtok_r(NULL, ":", &rest))
        row("strtok_r: %s", word);
    strcpy(text, "a,,b;c");
    rest = text;
    while ((word = strsep(&rest, ",;")))
        row("strsep: '%s'", word);
    row("strsep end: %d", strsep(&rest, ",") == NULL);
}

static void characters(void) {
    locale_t c = newlocale(LC_ALL_MASK, "C", 0);
    for (int i = -1; i < 256; i += i < 127 ? 1 : 25) {
        int classes = !!isalnum(i) | !!isalpha(i) << 1 | !!isblank(i) << 2 | !!iscntrl(i) << 3 | !!isdigit(i) << 4 | !!isgraph(i) << 5 | !!islower(i) << 6 |
                      !!isprint(i) << 7 | !!ispunct(i) << 8 | !!isspace(i) << 9 | !!isupper(i) << 10 | !!isxdigit(i) << 11;
        int local = !!isalnum_l(i, c) | !!isalpha_l(i, c) << 1 | !!isblank_l(i, c) << 2 | !!iscntrl_l(i, c) << 3 | !!isdigit_l(i, c) << 4 | !!isgraph_l(i, c) << 5 |
                    !!islower_l(i, c) << 6 | !!isprint_l(i, c) << 7 | !!ispunct_l(i, c) << 8 | !!isspace_l(i, c) << 9 | !!isupper_l(i, c) << 10 | !!isxdigit_l(i, c) << 11;
        row("%d: %x %d, %d %d %d %d, %d", i, classes, classes == local, tolower(i), toupper(i), i < 0 ? i : tolower_l(i, c), i < 0 ? i : toupper_l(i, c), !!isascii(i));
    }
    row("toascii %d %d", toascii(0xe1), toascii('a'));
    row("in a locale: %d %d %d", sign(strcasecmp_l("aB", "Ab", c)), sign(strncasecmp_l("aBx", "Aby", 2, c)), sign(strcoll_l("a", "b", c)));
    char b[16];
    row("strxfrm_l %d", strxfrm_l(b, "ab", sizeof b, c) >= 2);
    row("strerror_l %d", strcmp(strerror_l(ENOENT, c), strerror(ENOENT)));
    freelocale(c);
}

static void bits(void) {
    static const long values[] = {0, 1, 2, 0x80, 0x8000, -0x80000000L, -1};
    for (size_t i = 0; i < COUNT(values); i++)
        row("ffs(%ld) = %d %d %d", values[i], ffs((int)values[i]), ffsl(values[i]), ffsll(values[i]));
}

static void errors(void) {
    char b[64];
    static const int numbers[] = {0, EPERM, ENOENT, EINTR, EIO, EBADF, ENOMEM, EACCES, EEXIST, ENOTDIR, EISDIR, EINVAL, EPIPE, ERANGE, EILSEQ};
    for (size_t i = 0; i < COUNT(numbers); i++)
        row("strerror %d", strlen(strerror(numbers[i])) > 3 && strcmp(strerror(numbers[i]), strerror(numbers[i] + 1)) != 0);
#ifdef __GLIBC__
    extern int __xpg_strerror_r(int, char *, size_t);
    int (*xpg)(int, char *, size_t) = __xpg_strerror_r;
#else
    int (*xpg)(int, char *, size_t) = strerror_r;
#endif
    row("strerror_r %d %d", xpg(ENOENT, b, sizeof b), strcmp(b, strerror(ENOENT)));
    row("strerror_r short: %s", error(xpg(ENOENT, b, 3)));
    row("strsignal %d", strcmp(strsignal(2), strsignal(15)) != 0);
}

void section_text(void) {
    searching();
    copying();
    splitting();
    characters();
    bits();
    errors();
}
