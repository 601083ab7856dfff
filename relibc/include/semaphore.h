/* Semaphores. */
#ifndef _SEMAPHORE_H
#define _SEMAPHORE_H

#include <bits/restrict.h>
#include <bits/timespec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int clockid_t;

typedef union {
    unsigned __value[2];
    void *__align;
} sem_t;
#define SEM_FAILED ((sem_t *)0)

int sem_init(sem_t *semaphore, int shared, unsigned value);
int sem_destroy(sem_t *semaphore);
sem_t *sem_open(const char *name, int flags, ...);
int sem_close(sem_t *semaphore);
int sem_unlink(const char *name);
int sem_wait(sem_t *semaphore);
int sem_trywait(sem_t *semaphore);
int sem_timedwait(sem_t *__restrict_c semaphore, const struct timespec *__restrict_c time);
int sem_clockwait(sem_t *__restrict_c semaphore, clockid_t clock, const struct timespec *__restrict_c time);
int sem_post(sem_t *semaphore);
int sem_getvalue(sem_t *__restrict_c semaphore, int *__restrict_c value);

#ifdef __cplusplus
}
#endif
#endif
