/* <fenv.h>, and rounding as printf shows it. */
#include "conform.h"

#include <fenv.h>
#include <math.h>

static const struct {
    int value;
    const char *name;
} directions[] = {{FE_TONEAREST, "nearest"}, {FE_DOWNWARD, "down"}, {FE_UPWARD, "up"}, {FE_TOWARDZERO, "zero"}};
static const double numbers[] = {0.5, 1.5, 2.5, -0.5, -2.5, 0.125, 1e22, 0.1};

void section_environment(void) {
    for (size_t d = 0; d < COUNT(directions); d++) {
        row("fesetround(%s) = %d", directions[d].name, fesetround(directions[d].value));
        row("fegetround is it: %d", fegetround() == directions[d].value);
        for (size_t i = 0; i < COUNT(numbers); i++) {
            volatile double x = numbers[i];
            row("%.0f %.1f %.2f %.20f %.3e %a", x, x, x, x, x, x);
            row("rint %g nearbyint %g lrint %ld", rint(x), nearbyint(x), lrint(x));
        }
        volatile double one = 1, three = 3;
        row("1/3 = %a", one / three);
    }
    row("fesetround(bad) = %d", fesetround(0x123) != 0);
    fesetround(FE_TONEAREST);
    fexcept_t flags;
    fenv_t before;
    feclearexcept(FE_ALL_EXCEPT);
    row("clear: %d", fetestexcept(FE_ALL_EXCEPT));
    row("raise: %d", feraiseexcept(FE_DIVBYZERO));
    row("raised: %d %d", fetestexcept(FE_DIVBYZERO) == FE_DIVBYZERO, fetestexcept(FE_OVERFLOW));
    row("get flag: %d", fegetexceptflag(&flags, FE_ALL_EXCEPT));
    feclearexcept(FE_DIVBYZERO);
    row("set flag: %d, %d", fesetexceptflag(&flags, FE_DIVBYZERO), fetestexcept(FE_DIVBYZERO) == FE_DIVBYZERO);
    row("get environment: %d", fegetenv(&before));
    feclearexcept(FE_ALL_EXCEPT);
    fesetround(FE_UPWARD);
    row("set environment: %d, %d, %d", fesetenv(&before), fegetround() == FE_TONEAREST, fetestexcept(FE_DIVBYZERO) == FE_DIVBYZERO);
    row("hold: %d, %d", feholdexcept(&before), fetestexcept(FE_ALL_EXCEPT));
    volatile double zero = 0, one = 1, quotient = one / zero;
    row("divided: %g, %d", quotient, fetestexcept(FE_DIVBYZERO) == FE_DIVBYZERO);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_INVALID);
    row("update: %d, %d %d", feupdateenv(&before), fetestexcept(FE_INVALID) == FE_INVALID, fetestexcept(FE_DIVBYZERO) == FE_DIVBYZERO);
    row("default: %d, %d", fesetenv(FE_DFL_ENV), fegetround() == FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double near = nearbyint(0.3 + zero);
    row("nearbyint tells nothing: %g, %d", near, fetestexcept(FE_INEXACT));
    volatile double told = rint(0.3 + zero);
    row("rint does: %g, %d", told, fetestexcept(FE_INEXACT) == FE_INEXACT);
}
