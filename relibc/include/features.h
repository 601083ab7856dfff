/* What standards the headers offer: all that there is, whatever is asked for. */
#ifndef _FEATURES_H
#define _FEATURES_H

#include <bits/restrict.h>

#ifdef __cplusplus
#define __BEGIN_DECLS extern "C" {
#define __END_DECLS }
#else
#define __BEGIN_DECLS
#define __END_DECLS
#endif

#endif
