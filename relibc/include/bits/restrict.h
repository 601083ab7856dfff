/* restrict and noreturn in every dialect. */
#ifndef _BITS_RESTRICT_H
#define _BITS_RESTRICT_H

#if defined(__cplusplus)
#define __restrict_c __restrict
#elif __STDC_VERSION__ >= 199901L
#define __restrict_c restrict
#else
#define __restrict_c __restrict
#endif
#define __noreturn_c __attribute__((__noreturn__))
#endif
