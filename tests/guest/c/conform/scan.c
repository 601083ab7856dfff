/* The scanf family. */
#include "conform.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int by_list(const char *text, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsscanf(text, format, list);
    va_end(list);
    return n;
}

void section_scan(void) {
    static const char *const numbers[] = {"42", "  -17", "0x1f", "077", "abc", "", "9999999999", "+5", "12abc", "- 5"};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        int d = -99, o = -99;
        unsigned u = 99, x = 99;
        row("%s: d %d %d", numbers[i], sscanf(numbers[i], "%d", &d), strlen(numbers[i]) < 10 ? d : 0);
        row(" i %d, u %d %u, x %d %x, o %d %d", sscanf(numbers[i], "%i", &o), sscanf(numbers[i], "%u", &u), strlen(numbers[i]) < 10 ? u : 0, sscanf(numbers[i], "%x", &x), strlen(numbers[i]) < 9 ? x : 0, sscanf(numbers[i], "%o", (unsigned *)&o), o);
    }
    static const char *const floats[] = {"3.25", "-1e3x", "inf", "nan", "0x1p4", ".5.5", "abc", "1e400", ""};
    for (size_t i = 0; i < COUNT(floats); i++) {
        float f = -9;
        double d = -9;
        long double l = -9;
        int n = sscanf(floats[i], "%f", &f), m = sscanf(floats[i], "%lf", &d), k = sscanf(floats[i], "%Lf", &l);
        row("%s: %d %s, %d %s, %d %s", floats[i], n, number(f, 9), m, number(d, 17), k, long_number(l, 21));
    }
    char a[32] = "", b[32] = "", c[32] = "";
    int x = 0, y = 0, z = 0, n;
    long l;
    short h;
    signed char hh;
    long long ll;
    size_t zu;
    row("words: %d %s %s", sscanf("hello  world", "%s %s", a, b), a, b);
    row("width: %d %s %s", sscanf("abcdefgh", "%3s%2s", a, b), a, b);
    memset(a, 0, sizeof a);
    row("chars: %d %s", sscanf("xy z", "%4c", a), shown_bytes(a, 4));
    row("set: %d %s %s", sscanf("123abc", "%[0-9]%[a-z]", a, b), a, b);
    row("not in set: %d %s", sscanf("key=value", "%[^=]", a), a);
    row("set with bracket: %d %s", sscanf("]-x", "%[]-]", a), a);
    row("empty set: %d", sscanf("abc", "%[0-9]", a));
    row("skipped: %d %d", sscanf("1 2 3", "%*d %d", &x), x);
    row("literal: %d %d %d", sscanf("(3,4)", "(%d,%d)", &x, &y), x, y);
    row("literal fails: %d %d", sscanf("(3;4)", "(%d,%d)", &x, &y), x);
    row("percent: %d %d", sscanf("50%", "%d%%%n", &x, &n), n);
    row("count: %d %d %d", sscanf("12 34", "%d%n", &x, &n), x, n);
    row("white: %d %d %d", sscanf("1\n\t 2", "%d %d", &x, &y), x, y);
    row("sizes: %d %d %d %ld %lld %zu", sscanf("1 2 3 4 5", "%hhd %hd %ld %lld %zu", &hh, &h, &l, &ll, &zu), hh, h, l, ll, zu);
    row("positions: %d %d %d", sscanf("7 8", "%2$d %1$d", &x, &y), x, y);
    row("width number: %d %d %d", sscanf("123456", "%2d%3d", &x, &y), x, y);
    char *m = NULL;
    n = sscanf("allocated text", "%ms", &m);
    row("m: %d %s", n, m), free(m);
    row("end: %d %d %d", sscanf("", "%d", &x), sscanf("   ", "%s", a), sscanf("", ""));
    row("partial: %d %d", sscanf("5 x", "%d %d %d", &x, &y, &z), x);
    row("vsscanf: %d %d %s", by_list("9 nine", "%d %s", &x, a), x, a);
    row("pointer: %d", sscanf("0x1234", "%p", (void **)&m) == 1 && m == (char *)0x1234);
    m = (char *)1;
    row("null pointer: %d %d", sscanf("(nil)", "%p", (void **)&m), m == NULL);
    row("hex width: %d %x", sscanf("0x12", "%3x", (unsigned *)&x), x);
    row("c set: %d %s %s", sscanf("a b", "%s%[ ]", a, c), a, shown(c));
}
