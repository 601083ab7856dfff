/* Threads. */
#ifndef _PTHREAD_H
#define _PTHREAD_H

#include <bits/restrict.h>
#include <bits/pthreadtypes.h>
#include <sched.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;
typedef int clockid_t;

#define PTHREAD_MUTEX_DEFAULT 0
#define PTHREAD_MUTEX_ERRORCHECK 1
#define PTHREAD_MUTEX_NORMAL 2
#define PTHREAD_MUTEX_RECURSIVE 3
#define PTHREAD_MUTEX_ROBUST 0
#define PTHREAD_MUTEX_STALLED 1
#define PTHREAD_CREATE_JOINABLE 0
#define PTHREAD_CREATE_DETACHED 1
#define PTHREAD_PROCESS_PRIVATE 0
#define PTHREAD_PROCESS_SHARED 1
#define PTHREAD_SCOPE_SYSTEM 0
#define PTHREAD_SCOPE_PROCESS 1
#define PTHREAD_INHERIT_SCHED 0
#define PTHREAD_EXPLICIT_SCHED 1
#define PTHREAD_PRIO_NONE 0
#define PTHREAD_PRIO_INHERIT 1
#define PTHREAD_PRIO_PROTECT 2
#define PTHREAD_CANCEL_ENABLE 0
#define PTHREAD_CANCEL_DISABLE 1
#define PTHREAD_CANCEL_DEFERRED 0
#define PTHREAD_CANCEL_ASYNCHRONOUS 1
#define PTHREAD_CANCELED ((void *)-1)
#define PTHREAD_BARRIER_SERIAL_THREAD (-1)
#define PTHREAD_MUTEX_INITIALIZER { { 0 } }
#define PTHREAD_COND_INITIALIZER { { 0 } }
#define PTHREAD_RWLOCK_INITIALIZER { { 0 } }
#define PTHREAD_ONCE_INIT { { 0 } }

struct __pthread_cleanup {
    void (*__routine)(void *);
    void *__argument;
    struct __pthread_cleanup *__previous;
};
void __pthread_cleanup_push(struct __pthread_cleanup *record);
void __pthread_cleanup_pop(struct __pthread_cleanup *record, int execute);
#define pthread_cleanup_push(routine, argument) do { struct __pthread_cleanup __record = { routine, argument, 0 }; __pthread_cleanup_push(&__record);
#define pthread_cleanup_pop(execute) __pthread_cleanup_pop(&__record, (execute)); } while (0)

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int pthread_create(pthread_t *__restrict_c thread, const pthread_attr_t *__restrict_c attributes, void *(*start)(void *), void *__restrict_c argument);
int pthread_detach(pthread_t thread);
int pthread_equal(pthread_t a, pthread_t b);
__noreturn_c void pthread_exit(void *value);
int pthread_join(pthread_t thread, void **value);
pthread_t pthread_self(void);
int pthread_cancel(pthread_t thread);
int pthread_setcancelstate(int state, int *old);
int pthread_setcanceltype(int type, int *old);
void pthread_testcancel(void);
int pthread_once(pthread_once_t *once, void (*routine)(void));
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int pthread_key_delete(pthread_key_t key);
void *pthread_getspecific(pthread_key_t key);
int pthread_setspecific(pthread_key_t key, const void *value);
int pthread_getconcurrency(void);
int pthread_setconcurrency(int level);
int pthread_getcpuclockid(pthread_t thread, clockid_t *clock);
int pthread_getschedparam(pthread_t thread, int *policy, struct sched_param *parameter);
int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *parameter);
int pthread_setschedprio(pthread_t thread, int priority);
int pthread_getname_np(pthread_t thread, char *name, size_t size);
int pthread_setname_np(pthread_t thread, const char *name);
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes);
int pthread_attr_init(pthread_attr_t *value);
int pthread_attr_destroy(pthread_attr_t *value);
int pthread_attr_getdetachstate(const pthread_attr_t *value, int *result);
int pthread_attr_setdetachstate(pthread_attr_t *value, int setting);
int pthread_attr_getguardsize(const pthread_attr_t *value, size_t *result);
int pthread_attr_setguardsize(pthread_attr_t *value, size_t setting);
int pthread_attr_getinheritsched(const pthread_attr_t *value, int *result);
int pthread_attr_setinheritsched(pthread_attr_t *value, int setting);
int pthread_attr_getschedpolicy(const pthread_attr_t *value, int *result);
int pthread_attr_setschedpolicy(pthread_attr_t *value, int setting);
int pthread_attr_getscope(const pthread_attr_t *value, int *result);
int pthread_attr_setscope(pthread_attr_t *value, int setting);
int pthread_attr_getstacksize(const pthread_attr_t *value, size_t *result);
int pthread_attr_setstacksize(pthread_attr_t *value, size_t setting);
int pthread_attr_getschedparam(const pthread_attr_t *value, struct sched_param *parameter);
int pthread_attr_setschedparam(pthread_attr_t *value, const struct sched_param *parameter);
int pthread_attr_getstack(const pthread_attr_t *value, void **address, size_t *size);
int pthread_attr_setstack(pthread_attr_t *value, void *address, size_t size);
int pthread_mutexattr_init(pthread_mutexattr_t *value);
int pthread_mutexattr_destroy(pthread_mutexattr_t *value);
int pthread_mutexattr_getprioceiling(const pthread_mutexattr_t *value, int *result);
int pthread_mutexattr_setprioceiling(pthread_mutexattr_t *value, int setting);
int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *value, int *result);
int pthread_mutexattr_setprotocol(pthread_mutexattr_t *value, int setting);
int pthread_mutexattr_getpshared(const pthread_mutexattr_t *value, int *result);
int pthread_mutexattr_setpshared(pthread_mutexattr_t *value, int setting);
int pthread_mutexattr_getrobust(const pthread_mutexattr_t *value, int *result);
int pthread_mutexattr_setrobust(pthread_mutexattr_t *value, int setting);
int pthread_mutexattr_gettype(const pthread_mutexattr_t *value, int *result);
int pthread_mutexattr_settype(pthread_mutexattr_t *value, int setting);
int pthread_condattr_init(pthread_condattr_t *value);
int pthread_condattr_destroy(pthread_condattr_t *value);
int pthread_condattr_getclock(const pthread_condattr_t *value, clockid_t *result);
int pthread_condattr_setclock(pthread_condattr_t *value, clockid_t setting);
int pthread_condattr_getpshared(const pthread_condattr_t *value, int *result);
int pthread_condattr_setpshared(pthread_condattr_t *value, int setting);
int pthread_rwlockattr_init(pthread_rwlockattr_t *value);
int pthread_rwlockattr_destroy(pthread_rwlockattr_t *value);
int pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *value, int *result);
int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *value, int setting);
int pthread_barrierattr_init(pthread_barrierattr_t *value);
int pthread_barrierattr_destroy(pthread_barrierattr_t *value);
int pthread_barrierattr_getpshared(const pthread_barrierattr_t *value, int *result);
int pthread_barrierattr_setpshared(pthread_barrierattr_t *value, int setting);
int pthread_mutex_init(pthread_mutex_t *__restrict_c mutex, const pthread_mutexattr_t *__restrict_c attributes);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_trylock(pthread_mutex_t *mutex);
int pthread_mutex_timedlock(pthread_mutex_t *__restrict_c mutex, const struct timespec *__restrict_c time);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_mutex_consistent(pthread_mutex_t *mutex);
int pthread_mutex_getprioceiling(const pthread_mutex_t *mutex, int *ceiling);
int pthread_mutex_setprioceiling(pthread_mutex_t *mutex, int ceiling, int *old);
int pthread_cond_init(pthread_cond_t *__restrict_c condition, const pthread_condattr_t *__restrict_c attributes);
int pthread_cond_destroy(pthread_cond_t *condition);
int pthread_cond_signal(pthread_cond_t *condition);
int pthread_cond_broadcast(pthread_cond_t *condition);
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int pthread_cond_timedwait(pthread_cond_t *__restrict_c condition, pthread_mutex_t *__restrict_c mutex, const struct timespec *__restrict_c time);
int pthread_cond_clockwait(pthread_cond_t *__restrict_c condition, pthread_mutex_t *__restrict_c mutex, clockid_t clock, const struct timespec *__restrict_c time);
int pthread_rwlock_init(pthread_rwlock_t *__restrict_c lock, const pthread_rwlockattr_t *__restrict_c attributes);
int pthread_rwlock_destroy(pthread_rwlock_t *lock);
int pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock);
int pthread_rwlock_timedrdlock(pthread_rwlock_t *__restrict_c lock, const struct timespec *__restrict_c time);
int pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int pthread_rwlock_trywrlock(pthread_rwlock_t *lock);
int pthread_rwlock_timedwrlock(pthread_rwlock_t *__restrict_c lock, const struct timespec *__restrict_c time);
int pthread_rwlock_unlock(pthread_rwlock_t *lock);
int pthread_spin_init(pthread_spinlock_t *lock, int shared);
int pthread_spin_destroy(pthread_spinlock_t *lock);
int pthread_spin_lock(pthread_spinlock_t *lock);
int pthread_spin_trylock(pthread_spinlock_t *lock);
int pthread_spin_unlock(pthread_spinlock_t *lock);
int pthread_barrier_init(pthread_barrier_t *__restrict_c barrier, const pthread_barrierattr_t *__restrict_c attributes, unsigned count);
int pthread_barrier_destroy(pthread_barrier_t *barrier);
int pthread_barrier_wait(pthread_barrier_t *barrier);

#ifdef __cplusplus
}
#endif
#endif
