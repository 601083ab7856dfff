/* <complex.h>. */
#include "conform.h"

#include <complex.h>
#include <math.h>

/* Compilers that define them only for their own headers. */
#ifndef CMPLX
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#define CMPLXF(x, y) __builtin_complex((float)(x), (float)(y))
#endif

static const double parts[][2] = {{1, 2}, {-1.5, 0.5}, {0.5, -0.25}, {-0.7, -0.6}, {3, 0.0}, {-3, 0.0}, {-3, -0.0}, {0.0, 1.5}, {0.0, 0.0}, {-0.0, 0.0}, {20, 3}, {INFINITY, 1}, {1, INFINITY}, {NAN, 0.0}};

/* Beside a NaN the sign of a zero is left open. */
#define PART(x, beside) (isnan(beside) && (x) == 0 ? 0.0 : (x))
#define SHOW(name, w, digits) row(#name "(%s, %s) = %s, %s", number(parts[i][0], 17), number(parts[i][1], 17), number(PART(creal(w), cimag(w)), digits), number(PART(cimag(w), creal(w)), digits))
#define EACH(name) \
    for (size_t i = 0; i < COUNT(parts); i++) { \
        double complex w = name(CMPLX(parts[i][0], parts[i][1])); \
        SHOW(name, w, 12); \
        float complex v = name##f(CMPLXF((float)parts[i][0], (float)parts[i][1])); \
        row(#name "f = %s, %s", number(PART(crealf(v), cimagf(v)), 4), number(PART(cimagf(v), crealf(v)), 4)); \
    }

void section_complex(void) {
    EACH(casin) EACH(casinh) EACH(catan) EACH(catanh) EACH(ccos) EACH(ccosh) EACH(cexp) EACH(clog) EACH(conj) EACH(cproj) EACH(csin) EACH(csinh)
    EACH(csqrt) EACH(ctan) EACH(ctanh) EACH(cacos) EACH(cacosh)
    for (size_t i = 0; i < COUNT(parts); i++) {
        double complex z = CMPLX(parts[i][0], parts[i][1]);
        float complex f = CMPLXF((float)parts[i][0], (float)parts[i][1]);
        row("cabs, carg = %s, %s; %s, %s", number(cabs(z), 12), number(carg(z), 12), number(cabsf(f), 4), number(cargf(f), 4));
        if (i < 8) {
            double complex w = cpow(z, CMPLX(0.5, -1));
            SHOW(cpow, w, 11);
            float complex v = cpowf(f, CMPLXF(2, 0.25f));
            row("cpowf = %s, %s", number(crealf(v), 4), number(cimagf(v), 4));
        }
    }
}
