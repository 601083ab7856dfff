/* Numbers from text and back, and the arithmetic of <stdlib.h> and <inttypes.h>. */
#include "conform.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const char *const integers[] = {"0", "42", "  -17rest", "+9", "0x1F", "0xg", "0x", "077", "08", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "-1", "zz", "", "-", "\t\n\v 5", "1e5", "0b11"};
static const int bases[] = {0, 2, 8, 10, 16, 36};
static const char *const floats[] = {"0", "-0.0", "1", "3.14159", "1e10", "1e-10", "1E+5x", ".5", "5.", ".", "e5", "inf", "-INFINITY", "infinit", "nan", "NAN(123)", "nan(", "0x1.8p3", "0x.8", "0xp1", "0x1p-1074", "1e308", "1e309", "-1e309",
    "4.9e-324", "2e-324", "1e-400", "2.2250738585072011e-308", "179769313486231580793728971405301e277", "0.1e1e1", "1_000", "  7", "9007199254740993", "5e-324", "123456789012345678901234567890", "0.000000000000000000000000000000000000001"};

void section_convert(void) {
    for (size_t i = 0; i < COUNT(integers); i++)
        for (size_t j = 0; j < COUNT(bases); j++) {
            const char *s = integers[i];
            /* Binary prefixes are newer than either library. */
            if (strcmp(s, "0b11") == 0 && (bases[j] == 0 || bases[j] == 2))
                continue;
            char *end;
            errno = 0;
            long l = strtol(s, &end, bases[j]);
            int e = errno;
            row("strtol(%s, %d) = %ld +%ld %s", shown(s), bases[j], l, (long)(end - s), error(end == s ? 0 : e));
            errno = 0;
            unsigned long u = strtoul(s, &end, bases[j]);
            row("strtoul = %lu %s", u, error(end == s ? 0 : errno));
            row("others = %lld %llu %jd %ju", strtoll(s, NULL, bases[j]), strtoull(s, NULL, bases[j]), strtoimax(s, NULL, bases[j]), strtoumax(s, NULL, bases[j]));
        }
    char *end;
    errno = 0;
    strtol("1", &end, 1);
    row("base 1: %s", error(errno));
    errno = 0;
    strtol("1", &end, 37);
    row("base 37: %s", error(errno));
    for (size_t i = 0; i < COUNT(floats); i++) {
        const char *s = floats[i];
        errno = 0;
        double d = strtod(s, &end);
        int e = errno;
        row("strtod(%s) = %s +%ld %s", s, number(d, 17), (long)(end - s), error(e));
        float f = strtof(s, &end);
        row("strtof = %s +%ld", number(f, 9), (long)(end - s));
        long double x = strtold(s, &end);
        row("strtold = %s +%ld", long_number(x, 21), (long)(end - s));
        row("atof = %s", number(atof(s), 17));
    }
    row("atoi %d atol %ld atoll %lld", atoi(" 12x"), atol("-99"), atoll("123456789012"));
    row("abs %d labs %ld llabs %lld imaxabs %jd", abs(-5), labs(-6L), llabs(-7LL), imaxabs(-8));
    div_t d = div(-7, 2);
    ldiv_t l = ldiv(7, -2);
    lldiv_t ll = lldiv(-7, -2);
    imaxdiv_t m = imaxdiv(9, 4);
    row("div %d %d, ldiv %ld %ld, lldiv %lld %lld, imaxdiv %jd %jd", d.quot, d.rem, l.quot, l.rem, ll.quot, ll.rem, m.quot, m.rem);
    row("wide: %jd %ju", wcstoimax(L"-12x", NULL, 10), wcstoumax(L"ff", NULL, 16));
    for (long x = 0; x < 70000; x += 12345)
        row("l64a(%ld) = %s, a64l %ld", x, l64a(x), a64l(l64a(x)));
}
