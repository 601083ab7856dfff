/* The printf family. */
#include "conform.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif

#define EACH(formats, values, kind) \
    for (size_t i = 0; i < COUNT(formats); i++) \
        for (size_t j = 0; j < COUNT(values); j++) { \
            int n = snprintf(b, sizeof b, formats[i], (kind)values[j]); \
            row("%s -> %d [%s]", shown(formats[i]), n, shown(b)); \
        }

static int by_list(char *b, size_t size, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(b, size, format, list);
    va_end(list);
    return n;
}
static int by_list_plain(char *b, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsprintf(b, format, list);
    va_end(list);
    return n;
}
static int by_list_allocated(char **b, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vasprintf(b, format, list);
    va_end(list);
    return n;
}

void section_print(void) {
    static char b[6000];
    static const char *const integers[] = {"%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%.3d", "%8.3d", "%-8.3d|", "%+.0d", "%08.3d", "%x", "%#x", "%X", "%#o", "%o", "%u", "%'d", "%#08x", "%hhd", "%hd", "%hhu", "%hx"};
    static const int ints[] = {0, 1, -1, 42, -12345, INT_MAX, INT_MIN, 255, 65536};
    EACH(integers, ints, int)
    static const char *const longs[] = {"%ld", "%lx", "%lld", "%llu", "%jd", "%zd", "%zu", "%td", "%20ld", "%-20lu|", "%#llo"};
    static const long long wide[] = {0, -1, LLONG_MAX, LLONG_MIN, 1LL << 40};
    EACH(longs, wide, long long)
    static const char *const floats[] = {"%f", "%.0f", "%#.0f", "%.1f", "%.2f", "%.10f", "%10.3f", "%-10.2f|", "%010.2f", "%+f", "% f", "%e", "%.0e", "%#.0e", "%.3e", "%E", "%15.4e", "%g", "%.0g", "%.3g", "%.10g", "%.17g", "%G", "%a", "%.2a", "%A", "%.0a", "%20a"};
    static const double doubles[] = {0.0, -0.0, 1.0, 0.5, 1.5, 2.5, 0.1, 123.456, -1e-5, 1e5, 999999.5, 1e15, 1e21, 1e100, 5e-324, DBL_MAX, DBL_MIN, 0.0001, 0.00001234, 100000, 1e6, INFINITY, -INFINITY};
    EACH(floats, doubles, double)
    static const char *const not_numbers[] = {"%f", "%F", "%10g", "%-6e|", "%06f"};
    static const double nan_values[] = {NAN};
    EACH(not_numbers, nan_values, double)
    static const char *const extended[] = {"%Lf", "%.3Le", "%.21Lg", "%.0Lf"};
    static const long double long_doubles[] = {0.1L, 1e4000L, 3.36e-4932L, -2.5L, 1.0L / 3};
    EACH(extended, long_doubles, long double)
    static const char *const strings[] = {"%s", "%10s", "%-10s|", "%.2s", "%10.2s", "%.0s|", "%5s"};
    static const char *const texts[] = {"", "a", "abc", "longer than that"};
    EACH(strings, texts, const char *)
    static const char *const chars[] = {"%c", "%3c", "%-3c|"};
    static const int bytes[] = {'x', 0xff};
    EACH(chars, bytes, int)
    row("null: %d [%s]", snprintf(b, sizeof b, "%s|%.6s|%10s", (char *)NULL, (char *)NULL, (char *)NULL), b);
    row("pointer: %d [%s]", snprintf(b, sizeof b, "%p %p %20p", (void *)0x1234, (void *)NULL, (void *)0xff), b);
    row("percent: %d [%s]", snprintf(b, sizeof b, "100%% %5d%%", 7), b);
    row("star: %d [%s]", snprintf(b, sizeof b, "[%*d][%-*d][%.*f][%*.*s]", 6, 42, -6, 42, 2, 3.14159, 8, 3, "abcdef"), b);
    row("negative precision: %d [%s]", snprintf(b, sizeof b, "%.*d %.*s", -1, 5, -3, "all"), b);
    row("positions: %d [%s]", snprintf(b, sizeof b, "%2$s %1$s %2$s", "one", "two"), b);
    row("positions and stars: %d [%s]", snprintf(b, sizeof b, "%3$*1$d|%2$-*1$d|", 5, 22, 33), b);
    int n1 = -1;
    signed char n2 = -1;
    long n3 = -1;
#ifndef __GLIBC__
    sprintf(b, "abc%n def%hhn%ln", &n1, &n2, &n3);
#else
    n1 = 3, n2 = 7, n3 = 7;
#endif
    row("count: %d %d %ld", n1, n2, n3);
    row("size 0: %d", snprintf(NULL, 0, "%d %s", 12345, "text"));
    memset(b, '#', 16);
    row("cut: %d %s", snprintf(b, 5, "%s", "too long"), shown_bytes(b, 8));
    memset(b, '#', 16);
    row("one: %d %s", snprintf(b, 1, "%d", 77), shown_bytes(b, 3));
    row("sprintf: %d [%s]", sprintf(b, "%d-%s", 5, "x"), b);
    row("vsnprintf: %d [%s]", by_list(b, sizeof b, "%d %s %g", 1, "two", 3.0), b);
    row("vsprintf: %d [%s]", by_list_plain(b, "%c%c", 'o', 'k'), b);
    char *out;
    int n = asprintf(&out, "%0*d", 12, 34);
    row("asprintf: %d [%s]", n, out), free(out);
    n = by_list_allocated(&out, "%s", "by list");
    row("vasprintf: %d [%s]", n, out), free(out);
    n = snprintf(b, sizeof b, "%.5000f", 0.1);
    row("long: %d %.20s %s", n, b, b + n - 5);
    n = snprintf(b, sizeof b, "%5000d", 1);
    row("wide: %d %s", n, b + n - 3);
    setlocale(LC_ALL, "C.UTF-8");
    row("ls: %d [%s]", snprintf(b, sizeof b, "%ls|%.3ls|%6ls|%lc", L"\u00e9x", L"\u20ac\u20ac", L"ab", (wint_t)0x20ac), shown(b));
    errno = 0;
    n = snprintf(b, sizeof b, "%lc", (wint_t)0xd800);
    row("no character: %d %s", n, error(errno));
    setlocale(LC_ALL, "C");
    errno = ENOENT;
    snprintf(b, sizeof b, "%m");
    row("m: %d", strcmp(b, strerror(ENOENT)));
    row("macros: %d [%s]", snprintf(b, sizeof b, "%" PRId64 " %" PRIx32 " %" PRIuMAX " %" PRIi8, (int64_t)-5, (uint32_t)0xbeef, (uintmax_t)7, (int8_t)-3), b);
}
