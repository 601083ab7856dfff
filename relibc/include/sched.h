/* Scheduling. */
#ifndef _SCHED_H
#define _SCHED_H

#include <bits/timespec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int pid_t;
typedef __SIZE_TYPE__ size_t;

struct sched_param {
    int sched_priority;
};
#define SCHED_OTHER 0
#define SCHED_FIFO 1
#define SCHED_RR 2

#define CPU_SETSIZE 1024
typedef struct {
    unsigned long __bits[CPU_SETSIZE / 64];
} cpu_set_t;
#define CPU_ZERO(set) (*(set) = (cpu_set_t){ { 0 } })
#define CPU_SET(cpu, set) ((void)((set)->__bits[(cpu) / 64] |= 1UL << (cpu) % 64))
#define CPU_CLR(cpu, set) ((void)((set)->__bits[(cpu) / 64] &= ~(1UL << (cpu) % 64)))
#define CPU_ISSET(cpu, set) ((int)((set)->__bits[(cpu) / 64] >> (cpu) % 64 & 1))
#define CPU_EQUAL(a, b) (__builtin_memcmp((a), (b), sizeof(cpu_set_t)) == 0)
static __inline int __cpu_count(const cpu_set_t *__set) {
    int __count = 0;
    for (int __i = 0; __i < CPU_SETSIZE / 64; __i++)
        __count += __builtin_popcountl(__set->__bits[__i]);
    return __count;
}
#define CPU_COUNT(set) __cpu_count(set)

int sched_yield(void);
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set);
int sched_get_priority_max(int policy);
int sched_get_priority_min(int policy);
int sched_getparam(pid_t pid, struct sched_param *parameter);
int sched_setparam(pid_t pid, const struct sched_param *parameter);
int sched_getscheduler(pid_t pid);
int sched_setscheduler(pid_t pid, int policy, const struct sched_param *parameter);
int sched_rr_get_interval(pid_t pid, struct timespec *interval);

#ifdef __cplusplus
}
#endif
#endif
