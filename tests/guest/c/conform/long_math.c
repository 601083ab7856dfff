/* <math.h>: long double. What is exact by definition is compared to the last bit, the rest as far as
   double goes. */
#include "conform.h"

#include <math.h>

static const long double values[] = {0.0L, -0.0L, 1.0L, -1.0L, 0.5L, -0.5L, 2.5L, -2.5L, 3.7L, -3.7L, 0.1L, 1e18L + 0.5L, 9007199254740993.0L, 1e-4940L, 1e4930L, INFINITY, -INFINITY, NAN};
static const long double pairs[][2] = {{5.5L, 2}, {-5.5L, 2}, {0.1L, 0.03L}, {1, 3}, {-7, 2}, {1e4900L, 3}, {3, 4}, {INFINITY, 2}, {2, INFINITY}, {NAN, 1}, {1, NAN}, {7, 0}, {2, 2}};

#define EXACT(name) \
    for (size_t i = 0; i < COUNT(values); i++) \
        row(#name "(%s) = %s", long_number(values[i], 21), long_number(name(values[i]), 21));
#define EXACT2(name) \
    for (size_t i = 0; i < COUNT(pairs); i++) \
        row(#name "(%s, %s) = %s", long_number(pairs[i][0], 21), long_number(pairs[i][1], 21), long_number(name(pairs[i][0], pairs[i][1]), 21));
/* As double computes it. */
#define NEAR(name) \
    for (size_t i = 0; i < COUNT(values) - 3; i++) \
        if (fabsl(values[i]) < 20 && (values[i] == 0 || fabsl(values[i]) > 1e-10L)) \
            row(#name "(%s) = %s", long_number(values[i], 12), long_number(name(values[i]), 12));
#define NEAR2(name) \
    for (size_t i = 0; i < 8; i++) \
        if (pairs[i][0] < 100) \
            row(#name "(%s, %s) = %s", long_number(pairs[i][0], 12), long_number(pairs[i][1], 12), long_number(name(pairs[i][0], pairs[i][1]), 12));

void section_long_math(void) {
    EXACT(ceill) EXACT(fabsl) EXACT(floorl) EXACT(nearbyintl) EXACT(rintl) EXACT(roundl) EXACT(truncl) EXACT(logbl)
    for (size_t i = 0; i < COUNT(values); i++)
        if (values[i] >= 0)
            row("sqrtl(%s) = %s", long_number(values[i], 21), long_number(sqrtl(values[i]), 20));
    EXACT2(copysignl) EXACT2(dreml) EXACT2(fdiml) EXACT2(fmaxl) EXACT2(fminl) EXACT2(fmodl) EXACT2(nextafterl) EXACT2(nexttowardl) EXACT2(remainderl)
    NEAR(acosl) NEAR(acoshl) NEAR(asinl) NEAR(asinhl) NEAR(atanl) NEAR(atanhl) NEAR(cbrtl) NEAR(cosl) NEAR(coshl) NEAR(erfl) NEAR(erfcl) NEAR(expl)
    NEAR(exp2l) NEAR(expm1l) NEAR(log1pl) NEAR(sinl) NEAR(sinhl) NEAR(tanl) NEAR(tanhl)
    for (size_t i = 0; i < COUNT(values); i++)
        if (values[i] > 0 && values[i] < 100 && values[i] > 1e-10L)
            row("log(%s) = %s, %s, %s; %s, %s", long_number(values[i], 12), long_number(logl(values[i]), 12), long_number(log10l(values[i]), 12), long_number(log2l(values[i]), 12), long_number(lgammal(values[i]), 12), long_number(tgammal(values[i]), 12));
    NEAR2(atan2l) NEAR2(hypotl) NEAR2(powl)
    for (size_t i = 0; i < COUNT(values); i++) {
        long double x = values[i], whole;
        int e = 0, q;
        long double m = frexpl(x, &e);
        if (isfinite(x))
            row("frexpl(%s) = %s, %d", long_number(x, 21), long_number(m, 21), e);
        long double part = modfl(x, &whole);
        row("modfl(%s) = %s, %s", long_number(x, 21), long_number(part, 21), long_number(whole, 21));
        if (x != 0 && isfinite(x))
            row("ilogbl(%s) = %d", long_number(x, 21), ilogbl(x));
        row("ldexpl(%s) = %s, %s, %s", long_number(x, 21), long_number(ldexpl(x, 7), 21), long_number(scalbnl(x, -7), 21), long_number(scalblnl(x, 5L), 21));
        row("fmal(%s) = %s", long_number(x, 21), long_number(fmal(x, 0.1L, 0.3L), 21));
        if (fabsl(x) < 1e18L) {
            row("to integer(%s) = %ld, %lld, %ld, %lld", long_number(x, 21), lrintl(x), llrintl(x), lroundl(x), llroundl(x));
            long double r = remquol(x, 0.7L, &q);
            row("remquol(%s) = %s, %d", long_number(x, 21), long_number(r, 21), q & 7);
        }
    }
    row("fmal rounds once: %s", long_number(fmal(1 + 0x1p-63L, 1 - 0x1p-63L, -1), 21));
    row("nanl = %d", !!isnan(nanl("")));
}
