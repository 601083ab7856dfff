/* <math.h>: every function of double and float on numbers of all kinds. */
#include "conform.h"

#include <math.h>
#include <errno.h>

static const double values[] = {0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 0.75, 2.0, -2.5, 3.0, 10.25, -10.75, 100.0, 700.0, -700.0, 1e-10, 1e10, 1e300, 5e-324, INFINITY, -INFINITY, NAN};

#define D(name) \
    for (size_t i = 0; i < COUNT(values); i++) \
        row(#name "(%s) = %s", number(values[i], 17), number(name(values[i]), 12));
#define S(name) \
    for (size_t i = 0; i < COUNT(values); i++) \
        row(#name "(%s) = %s", number((float)values[i], 9), number(name((float)values[i]), 4));
#define BOTH(name) D(name) S(name##f)
static const double pairs[][2] = {{1, 2}, {-3, 2}, {5.5, 2}, {-5.5, 2}, {5.5, -2}, {2, 0.5}, {2, -1}, {-8, 3}, {-8, 0.5}, {0, 0}, {0, -1}, {1, INFINITY}, {INFINITY, 2}, {-INFINITY, 3}, {NAN, 1}, {1, NAN}, {1e300, 1e300}, {1e-300, 1e10}, {7, 7}, {3, 4}};
#define D2(name) \
    for (size_t i = 0; i < COUNT(pairs); i++) \
        row(#name "(%s, %s) = %s", number(pairs[i][0], 17), number(pairs[i][1], 17), number(name(pairs[i][0], pairs[i][1]), 12));
#define S2(name) \
    for (size_t i = 0; i < COUNT(pairs); i++) \
        row(#name "(%s, %s) = %s", number((float)pairs[i][0], 9), number((float)pairs[i][1], 9), number(name((float)pairs[i][0], (float)pairs[i][1]), 4));
#define BOTH2(name) D2(name) S2(name##f)
/* Conversions of what does not fit are left open by C. */
#define INTEGER(name, type) \
    for (size_t i = 0; i < COUNT(values); i++) \
        if (fabs(values[i]) < 1e9) \
            row(#name "(%s) = %lld", number((type)values[i], 17), (long long)name((type)values[i]));

void section_math(void) {
    BOTH(acos) BOTH(acosh) BOTH(asin) BOTH(asinh) BOTH(atan) BOTH(atanh) BOTH(cbrt) BOTH(ceil) BOTH(cos) BOTH(cosh) BOTH(erf) BOTH(erfc)
    BOTH(exp) BOTH(exp2) BOTH(exp10) BOTH(expm1) BOTH(fabs) BOTH(floor) BOTH(log) BOTH(log10) BOTH(log1p) BOTH(log2) BOTH(logb) BOTH(nearbyint)
    BOTH(rint) BOTH(round) BOTH(sin) BOTH(sinh) BOTH(sqrt) BOTH(tan) BOTH(tanh) BOTH(trunc) BOTH(lgamma)
    BOTH2(atan2) BOTH2(copysign) BOTH2(drem) BOTH2(fdim) BOTH2(fmax) BOTH2(fmin) BOTH2(fmod) BOTH2(hypot) BOTH2(nextafter) BOTH2(pow) BOTH2(remainder)
    for (size_t i = 0; i < COUNT(values); i++)
        if (!(values[i] <= 0 && values[i] == floor(values[i])))
            row("tgamma(%s) = %s, %s", number(values[i], 17), number(tgamma(values[i]), 12), number(tgammaf((float)values[i]), 4));
    INTEGER(lrint, double) INTEGER(llrint, double) INTEGER(lround, double) INTEGER(llround, double)
    INTEGER(lrintf, float) INTEGER(llrintf, float) INTEGER(lroundf, float) INTEGER(llroundf, float)
    for (size_t i = 0; i < COUNT(values); i++) {
        double x = values[i], whole, sine, cosine;
        float wholef, sinef, cosinef;
        int e = 0, ef = 0, q, sign;
        double m = frexp(x, &e);
        float mf = frexpf((float)x, &ef);
        if (isfinite(x))
            row("frexp(%s) = %s, %d; %s, %d", number(x, 17), number(m, 17), e, number(mf, 9), isfinite((float)x) ? ef : 0);
        double part = modf(x, &whole);
        float partf = modff((float)x, &wholef);
        row("modf(%s) = %s, %s; %s, %s", number(x, 17), number(part, 17), number(whole, 17), number(partf, 9), number(wholef, 9));
        if (x != 0 && isfinite(x))
            row("ilogb(%s) = %d", number(x, 17), ilogb(x));
        if ((float)x != 0 && isfinite((float)x))
            row("ilogbf = %d", ilogbf((float)x));
        row("ldexp(%s) = %s, %s, %s", number(x, 17), number(ldexp(x, 3), 17), number(ldexp(x, -1080), 17), number(ldexpf((float)x, -2), 9));
        row("scalbn(%s) = %s, %s, %s, %s", number(x, 17), number(scalbn(x, 10), 17), number(scalbln(x, -10L), 17), number(scalbnf((float)x, 2), 9), number(scalblnf((float)x, -2L), 9));
        row("fma(%s) = %s, %s", number(x, 17), number(fma(x, 3, 0.1), 17), number(fmaf((float)x, 3, 0.1f), 9));
        row("finite(%s) = %d, %d", number(x, 17), finite(x) != 0, finitef((float)x) != 0);
        sincos(x, &sine, &cosine);
        sincosf((float)x, &sinef, &cosinef);
        row("sincos(%s) = %s, %s; %s, %s", number(x, 17), number(sine, 12), number(cosine, 12), number(sinef, 4), number(cosinef, 4));
        if (!(x <= 0 && x == floor(x)))
            row("lgamma_r(%s) = %s, %d", number(x, 17), number(lgamma_r(x, &sign), 12), isfinite(x) ? sign : 0);
        if (!(x <= 0 && x == floor(x)))
            row("lgammaf_r = %s", number(lgammaf_r((float)x, &sign), 4));
        if (isfinite(x) && fabs(x) < 1e9) {
            double r = remquo(x, 0.7, &q);
            row("remquo(%s) = %s, %d", number(x, 17), number(r, 12), q & 7);
            r = remquof((float)x, 0.75f, &q);
            row("remquof = %s, %d", number(r, 6), q & 7);
        }
        if (x > 0 && x < 1e9) {
            row("y(%s) = %s, %s, %s", number(x, 17), number(y0(x), 9), number(y1(x), 9), number(yn(2, x), 9));
            row("yf = %s, %s, %s", number(y0f((float)x), 3), number(y1f((float)x), 3), number(ynf(2, (float)x), 3));
        }
        if (fabs(x) < 1e9) {
            row("j(%s) = %s, %s, %s", number(x, 17), number(j0(x), 9), number(j1(x), 9), number(jn(3, x), 9));
            row("jf = %s, %s, %s", number(j0f((float)x), 3), number(j1f((float)x), 3), number(jnf(3, (float)x), 3));
        }
        row("scalb(%s) = %s", number(x, 17), number(scalb(x, 4), 17));
        if (isfinite(x) && x != 0)
            row("significand(%s) = %s", number(x, 17), number(significand(x), 17));
        row("nexttoward(%s) = %s, %s, %s", number(x, 17), number(nexttoward(x, 2.0L), 17), number(nexttoward(x, -1e4000L), 17), number(nexttowardf((float)x, 2.0L), 9));
        row("class(%s) = %d %d %d %d %d", number(x, 17), !!isnan(x), !!isinf(x), !!isfinite(x), !!isnormal(x), !!signbit(x) && !isnan(x));
    }
    row("zeros: %s %s %s %s", number(copysign(0.0, -0.0), 9), number(atan2(0.0, -0.0), 9), number(nextafter(0.0, -0.0), 9), number(hypot(0.0, -0.0), 9));
    row("nan = %d, %d", !!isnan(nan("")), !!isnan(nanf("")));
}
