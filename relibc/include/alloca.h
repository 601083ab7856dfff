/* Memory on the stack. */
#ifndef _ALLOCA_H
#define _ALLOCA_H

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;

#undef alloca
#define alloca(size) __builtin_alloca(size)

#ifdef __cplusplus
}
#endif
#endif
