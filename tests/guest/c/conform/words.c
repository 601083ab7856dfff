/* Options, suboptions, path components, addresses, languages, character sets. */
#include "conform.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <iconv.h>
#include <langinfo.h>
#include <libgen.h>
#include <locale.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void options(void) {
    static char *lines[][8] = {
        {"prog", "-a", "-bvalue", "-c", "value", "rest", NULL}, {"prog", "-ab", "v", "--", "-a", NULL}, {"prog", "file", "-a", "other", NULL}, {"prog", "-x", "-a", NULL}, {"prog", "-c", NULL}, {"prog", "-", "-a", NULL}, {"prog", NULL},
    };
    opterr = 0;
    for (size_t i = 0; i < COUNT(lines); i++)
        for (int strict = 0; strict < 3; strict++) {
            char *copy[8];
            int count = 0, c;
            for (; lines[i][count]; count++)
                copy[count] = lines[i][count];
            copy[count] = NULL;
            optind = 0;
            while ((c = getopt(count, copy, strict == 0 ? "ab:c:" : strict == 1 ? "+ab:c:" : ":ab:c:")) != -1)
                row("getopt %c %s %c", c, c != '?' && c != ':' && optarg ? optarg : "-", c == '?' || c == ':' ? optopt : '-');
            row(" rest %d: %s", optind, optind < count ? copy[optind] : "-");
            optarg = NULL;
        }
    static char *longs[][6] = {{"prog", "--alpha", "--beta=5", "x", NULL}, {"prog", "--bet", "7", NULL}, {"prog", "--gamma", NULL}, {"prog", "--gamma=3", NULL}, {"prog", "--nothing", NULL}, {"prog", "--alpha=1", NULL}, {"prog", "--beta", NULL}, {"prog", "--flag", "-a", NULL}, {"prog", "-beta", "9", NULL}, {"prog", "--al", NULL}};
    int flag = 0;
    const struct option table[] = {{"alpha", no_argument, NULL, 'A'}, {"alphabet", no_argument, NULL, 'T'}, {"beta", required_argument, NULL, 'B'}, {"gamma", optional_argument, NULL, 'G'}, {"flag", no_argument, &flag, 6}, {0}};
    for (size_t i = 0; i < COUNT(longs); i++)
        for (int only = 0; only < 2; only++) {
            char *copy[6];
            int count = 0, c, index = -1;
            for (; longs[i][count]; count++)
                copy[count] = longs[i][count];
            copy[count] = NULL;
            optind = 0, flag = 0;
            while ((c = only ? getopt_long_only(count, copy, "ab:", table, &index) : getopt_long(count, copy, "ab:", table, &index)) != -1) {
                row("getopt_long %d %s %d", c, c != '?' && optarg ? optarg : "-", flag);
                optarg = NULL;
            }
            row(" rest %d", optind);
        }
    char text[] = "ro,size=10,,bad,name", *rest = text, *value;
    char *const tokens[] = {"ro", "size", "name", NULL};
    while (*rest) {
        int i = getsubopt(&rest, tokens, &value);
        row("getsubopt %d %s", i, value ? value : "-");
    }
}

static void components(void) {
    static const char *const paths[] = {"", "/", "a", "/a", "a/", "/a/b", "a/b/", "/a//b//", ".", "..", "a/b/c"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        char a[32], b[32];
        strcpy(a, paths[i]), strcpy(b, paths[i]);
        char *base = basename(a), *folder = dirname(b);
        row("%s: %s %s", paths[i], base, folder);
    }
    row("null: %s", dirname(NULL));
    row("literal: %s %s", basename((char *)"/usr/lib"), basename((char *)"lib"));
}

static void addresses(void) {
    static const char *const texts[] = {"127.0.0.1", "1.2.3", "1.2", "0x7f.1", "010.1.1.1", "256.1.1.1", "1.2.3.4.5", "", "abc", "255.255.255.255", "1.2.3.4 x"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct in_addr a = {0}, b = {0};
        int old = inet_aton(texts[i], &a), new = inet_pton(AF_INET, texts[i], &b);
        row("%s: %d %s, %d %s, %x", texts[i], old, old ? inet_ntoa(a) : "-", new, new == 1 ? "ok" : "-", ntohl(inet_addr(texts[i])));
    }
    static const char *const sixes[] = {"::", "::1", "1:2:3:4:5:6:7:8", "1::8", "::ffff:1.2.3.4", "fe80::1:0:0:1", "1:2:3", "12345::", "::1::", "1:0:0:2:0:0:0:3", "::1.2.3"};
    for (size_t i = 0; i < COUNT(sixes); i++) {
        struct in6_addr a;
        char b[64] = "-";
        int n = inet_pton(AF_INET6, sixes[i], &a);
        row("%s: %d %s", sixes[i], n, n == 1 ? inet_ntop(AF_INET6, &a, b, sizeof b) : "-");
    }
    struct in_addr a = {htonl(0x01020304)};
    char b[64];
    errno = 0;
    row("short: %d %d", inet_ntop(AF_INET, &a, b, 3) == NULL, errno == ENOSPC);
    errno = 0;
    row("family: %d %d", inet_pton(99, "x", b), errno == EAFNOSUPPORT);
    row("order: %x %x %x %x", htonl(0x11223344), htons(0x1122), ntohl(0x11223344), ntohs(0x1122));
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
    row("getaddrinfo: %d", getaddrinfo("127.0.0.1", "80", &hints, &list));
    char host[64], service[32];
    row("getnameinfo: %d %s %s, %d", getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV), host, service, list->ai_next == NULL);
    freeaddrinfo(list);
    int no_name = getaddrinfo("no address", "80", &hints, &list);
    row("no address: %d, %d", no_name == EAI_NONAME, gai_strerror(no_name)[0] != 0);
}

static void languages(void) {
    row("setlocale: %s %d %d", setlocale(LC_ALL, "C"), setlocale(LC_ALL, "no-such-language") == NULL, setlocale(LC_ALL, NULL) != NULL);
    row("utf8: %d %s", setlocale(LC_CTYPE, "C.UTF-8") != NULL, nl_langinfo(CODESET));
    static const nl_item items[] = {RADIXCHAR, THOUSEP, DAY_1, ABDAY_7, MON_12, ABMON_2, AM_STR, D_T_FMT, D_FMT, T_FMT, YESEXPR, NOEXPR};
    locale_t c = newlocale(LC_ALL_MASK, "C", 0), copy = duplocale(c);
    for (size_t i = 0; i < COUNT(items); i++)
        row("nl_langinfo: %s %d", nl_langinfo(items[i]), strcmp(nl_langinfo(items[i]), nl_langinfo_l(items[i], copy)));
    struct lconv *l = localeconv();
    row("localeconv: %s '%s' '%s' %d", l->decimal_point, l->thousands_sep, l->currency_symbol, l->frac_digits == 127);
    locale_t before = uselocale(c);
    row("uselocale: %d %d", before == LC_GLOBAL_LOCALE, uselocale(0) == c);
    uselocale(before);
    freelocale(copy), freelocale(c);
    errno = 0;
    row("newlocale: %d %s", newlocale(LC_ALL_MASK, "no-such-language", 0) == 0, error(errno));
    setlocale(LC_ALL, "C");
}

static void sets(void) {
    iconv_t cd = iconv_open("UTF-16LE", "UTF-8");
    char in[] = "a\xc3\xa9\xf0\x9d\x84\x9e", out[32], *from = in, *to = out;
    size_t left = strlen(in), room = sizeof out;
    size_t n = iconv(cd, &from, &left, &to, &room);
    row("iconv: %zu %zu %s", n, left, shown_bytes(out, sizeof out - room));
    row("reset: %zu", iconv(cd, NULL, NULL, NULL, NULL));
    from = in, to = out, left = 2, room = sizeof out, errno = 0;
    n = iconv(cd, &from, &left, &to, &room);
    row("incomplete: %d %s %zu", n == (size_t)-1, error(errno), left);
    from = in, to = out, left = strlen(in), room = 3, errno = 0;
    n = iconv(cd, &from, &left, &to, &room);
    row("full: %d %s %zu", n == (size_t)-1, error(errno), left);
    row("close: %d", iconv_close(cd));
    errno = 0;
    row("unknown: %d %s", iconv_open("no-such-set", "UTF-8") == (iconv_t)-1, error(errno));
}

void section_words(void) {
    options();
    components();
    addresses();
    languages();
    sets();
}
