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

int sched_yield(void);
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
