/* <pthread.h>, <semaphore.h> and <sched.h>: every function, with what it refuses. */
#define _GNU_SOURCE
#include "test.h"
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct timespec after(clockid_t clock, long milliseconds) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += milliseconds * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void *give_back(void *argument) { return argument; }

/* A getter and a setter of an attribute: what is there, what is accepted, what is refused. */
#define ATTRIBUTE(object, get, set, type, first, good, bad, refusal) \
    do { \
        type now_ = (type)-9; \
        SAME(get(&object, &now_), 0); SAME(now_, first); \
        SAME(set(&object, good), 0); SAME(get(&object, &now_), 0); SAME(now_, good); \
        SAME(set(&object, bad), refusal); SAME(get(&object, &now_), 0); SAME(now_, good); \
    } while (0)

static void thread_attributes(void) {
    pthread_attr_t a;
    SAME(pthread_attr_init(&a), 0);
    ATTRIBUTE(a, pthread_attr_getdetachstate, pthread_attr_setdetachstate, int, PTHREAD_CREATE_JOINABLE, PTHREAD_CREATE_DETACHED, 7, EINVAL);
    ATTRIBUTE(a, pthread_attr_getinheritsched, pthread_attr_setinheritsched, int, PTHREAD_INHERIT_SCHED, PTHREAD_EXPLICIT_SCHED, 9, EINVAL);
    ATTRIBUTE(a, pthread_attr_getschedpolicy, pthread_attr_setschedpolicy, int, SCHED_OTHER, SCHED_OTHER, 99, EINVAL);
    ATTRIBUTE(a, pthread_attr_getscope, pthread_attr_setscope, int, PTHREAD_SCOPE_SYSTEM, PTHREAD_SCOPE_SYSTEM, 5, EINVAL);
    size_t size;
    SAME(pthread_attr_getguardsize(&a, &size), 0); SAME(size, 4096);
    static const size_t guards[] = {0, 1, 4096, 1 << 16, (1 << 20) + 1, -1};
    for (unsigned i = 0; i < sizeof guards / sizeof *guards; i++) {
        SAME(pthread_attr_setguardsize(&a, guards[i]), 0);
        SAME(pthread_attr_getguardsize(&a, &size), 0); SAME(size, guards[i]);
    }
    pthread_t none;
    SAME(pthread_create(&none, &a, give_back, 0), EAGAIN);
    SAME(pthread_attr_getstacksize(&a, &size), 0);
    CHECK(size >= 65536);
    SAME(pthread_attr_setstacksize(&a, 1 << 18), 0);
    SAME(pthread_attr_setstacksize(&a, 1), EINVAL);
    struct sched_param p = {0};
    SAME(pthread_attr_getschedparam(&a, &p), 0); SAME(p.sched_priority, 0);
    SAME(pthread_attr_setschedparam(&a, &p), 0);
    SAME(pthread_attr_destroy(&a), 0);
}

static char *here;
static void *look_at_stack(void *unused) {
    char own = 0;
    here = &own;
    return unused;
}

/* A thread rounds as the one that has made it did. */
static void *rounds(void *unused) {
    (void)unused;
    return (void *)(long)fegetround();
}
static void threads_inherit_rounding(void) {
    static const int directions[] = {FE_UPWARD, FE_TOWARDZERO, FE_DOWNWARD, FE_TONEAREST};
    for (unsigned i = 0; i < sizeof directions / sizeof *directions; i++) {
        pthread_t thread;
        void *got = 0;
        SAME(fesetround(directions[i]), 0);
        SAME(pthread_create(&thread, 0, rounds, 0), 0);
        SAME(pthread_join(thread, &got), 0);
        SAME((long)got, directions[i]);
    }
}

static void thread_stacks(void) {
    size_t size = 1 << 17, got;
    char *stack = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *base;
    pthread_attr_t a;
    pthread_attr_init(&a);
    SAME(pthread_attr_setstack(&a, stack, 100), EINVAL);
    SAME(pthread_attr_setstack(&a, stack + 1, size), EINVAL);
    SAME(pthread_attr_setstack(&a, stack, size), 0);
    SAME(pthread_attr_getstack(&a, &base, &got), 0);
    CHECK(base == stack && got == size);
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        SAME(pthread_create(&t, &a, look_at_stack, 0), 0);
        SAME(pthread_join(t, 0), 0);
        CHECK(here > stack && here < stack + size);
        /* It is the program's: still there after the thread. */
        stack[0] = stack[size - 1] = 1;
    }
    SAME(munmap(stack, size), 0);
    pthread_attr_t own;
    SAME(pthread_getattr_np(pthread_self(), &own), 0);
    SAME(pthread_attr_getstack(&own, &base, &got), 0);
    char *me = (char *)&own;
    CHECK(me > (char *)base && me < (char *)base + got);
}

static sem_t may_end;

static void *end_when_told(void *unused) {
    sem_wait(&may_end);
    return unused;
}

static void *tell_own_detachment(void *unused) {
    (void)unused;
    pthread_attr_t own;
    int state = -1;
    pthread_getattr_np(pthread_self(), &own);
    pthread_attr_getdetachstate(&own, &state);
    return (void *)(long)state;
}

/* Made so, become so, and not while somebody waits for the thread's end. */
static void detachment(void) {
    pthread_attr_t a;
    pthread_t t;
    int state;
    void *value;
    SAME(sem_init(&may_end, 0, 0), 0);
    for (int made = 0; made < 2; made++) {
        SAME(pthread_attr_init(&a), 0);
        SAME(pthread_attr_setdetachstate(&a, made ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE), 0);
        SAME(pthread_create(&t, &a, end_when_told, 0), 0);
        for (int now = made; now < 2; now++) {
            SAME(pthread_getattr_np(t, &a), 0);
            SAME(pthread_attr_getdetachstate(&a, &state), 0);
            SAME(state, now ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
            if (!now)
                SAME(pthread_detach(t), 0);
        }
        SAME(sem_post(&may_end), 0);
    }
    SAME(pthread_create(&t, 0, tell_own_detachment, 0), 0);
    SAME(pthread_join(t, &value), 0);
    SAME((long)value, PTHREAD_CREATE_JOINABLE);
}

/* Nobody can use what is below a stack, as far down as was asked. */
static void *look_below_stack(void *wanted) {
    pthread_attr_t own;
    void *base;
    size_t size, guard;
    int wrong = 0, refused[2];
    char *me = (char *)&own;
    if (pthread_getattr_np(pthread_self(), &own) || pthread_attr_getstack(&own, &base, &size) || pthread_attr_getguardsize(&own, &guard) || pipe(refused))
        return (void *)1;
    wrong |= guard < *(size_t *)wanted || guard == 0 ? 2 : 0;
    wrong |= me < (char *)base || me >= (char *)base + size ? 4 : 0;
    wrong |= size < 1 << 17 ? 8 : 0;
    for (size_t below = 1; below <= guard; below += 4096)
        if (write(refused[1], (char *)base - below, 1) != -1 || errno != EFAULT)
            wrong |= 16;
    close(refused[0]), close(refused[1]);
    return (void *)(long)wrong;
}

static void thread_guards(void) {
    static size_t guards[] = {0, 1, 4096, 4097, 1 << 16};
    pthread_attr_t a;
    pthread_attr_init(&a);
    SAME(pthread_attr_setstacksize(&a, 1 << 17), 0);
    for (unsigned i = 0; i < sizeof guards / sizeof *guards; i++) {
        pthread_t t;
        void *wrong;
        SAME(pthread_attr_setguardsize(&a, guards[i]), 0);
        SAME(pthread_create(&t, &a, look_below_stack, &guards[i]), 0);
        SAME(pthread_join(t, &wrong), 0);
        SAME((long)wrong, 0);
    }
}

static volatile int detached_ran;
static void *say_so(void *unused) {
    detached_ran = 1;
    return unused;
}

static void thread_lives(void) {
    pthread_t t;
    SAME(pthread_create(&t, 0, give_back, (void *)42), 0);
    void *value;
    SAME(pthread_join(t, &value), 0);
    CHECK(value == (void *)42);
    SAME(pthread_join(pthread_self(), 0), EDEADLK);
    CHECK(pthread_equal(pthread_self(), pthread_self()));
    SAME(pthread_create(&t, 0, say_so, 0), 0);
    CHECK(!pthread_equal(t, pthread_self()));
    SAME(pthread_detach(t), 0);
    while (!detached_ran)
        sched_yield();
    char name[32];
    SAME(pthread_setname_np(pthread_self(), "own name"), 0);
    SAME(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    CHECK(strcmp(name, "own name") == 0);
    SAME(pthread_getname_np(pthread_self(), name, 3), ERANGE);
    SAME(pthread_setname_np(pthread_self(), "a name that is longer than any thread may have"), ERANGE);
    SAME(pthread_setconcurrency(4), 0); SAME(pthread_getconcurrency(), 4); SAME(pthread_setconcurrency(-1), EINVAL);
    CHECK(gettid() > 0);
}

static void scheduling(void) {
    struct sched_param p = {9};
    int policy = 9;
    SAME(sched_get_priority_min(SCHED_OTHER), 0); SAME(sched_get_priority_max(SCHED_OTHER), 0);
    SAME(sched_get_priority_min(77), -1); SAME(errno, EINVAL);
    SAME(sched_get_priority_max(-1), -1); SAME(errno, EINVAL);
    SAME(sched_getscheduler(0), SCHED_OTHER);
    SAME(sched_getparam(0, &p), 0); SAME(p.sched_priority, 0);
    SAME(sched_setparam(0, &p), 0);
    SAME(sched_setscheduler(0, SCHED_OTHER, &p), SCHED_OTHER);
    SAME(sched_setscheduler(0, 99, &p), -1); SAME(errno, EINVAL);
    SAME(sched_getscheduler(-3), -1); SAME(errno, EINVAL);
    SAME(sched_getscheduler(999999), -1); SAME(errno, ESRCH);
    struct timespec t = {9, 9};
    SAME(sched_rr_get_interval(0, &t), 0);
    CHECK(t.tv_sec == 0 && t.tv_nsec > 0 && t.tv_nsec < 1000000000);
    cpu_set_t set;
    SAME(sched_getaffinity(0, sizeof set, &set), 0);
    CHECK(CPU_ISSET(0, &set) && CPU_COUNT(&set) >= 1);
    SAME(sched_setaffinity(0, sizeof set, &set), 0);
    SAME(sched_getaffinity(0, 0, &set), -1); SAME(errno, EINVAL);
    CPU_ZERO(&set);
    SAME(sched_setaffinity(0, sizeof set, &set), -1); SAME(errno, EINVAL);
    SAME(pthread_getschedparam(pthread_self(), &policy, &p), 0); SAME(policy, SCHED_OTHER); SAME(p.sched_priority, 0);
    SAME(pthread_setschedparam(pthread_self(), SCHED_OTHER, &p), 0);
    SAME(pthread_setschedparam(pthread_self(), SCHED_FIFO, &p), ENOTSUP);
    SAME(pthread_setschedprio(pthread_self(), 0), 0); SAME(pthread_setschedprio(pthread_self(), 50), EINVAL);
    SAME(sched_yield(), 0);
}

static long long clock_now(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * 1000000000ll + t.tv_nsec : -1;
}

static volatile int spin_on;

static void *spins(void *argument) {
    (void)argument;
    while (spin_on)
        ;
    return 0;
}

static void clocks_of_threads(void) {
    clockid_t own, other, again;
    SAME(pthread_getcpuclockid(pthread_self(), &own), 0);
    long long before = clock_now(CLOCK_THREAD_CPUTIME_ID), same = clock_now(own), after = clock_now(CLOCK_THREAD_CPUTIME_ID);
    CHECK(0 < before && before <= same && same <= after);
    struct timespec resolution;
    SAME(clock_getres(own, &resolution), 0); SAME(clock_getres(CLOCK_THREAD_CPUTIME_ID, &resolution), 0);
    pthread_t t;
    spin_on = 1;
    SAME(pthread_create(&t, 0, spins, 0), 0);
    /* At once: it need not have begun. */
    SAME(pthread_kill(t, 0), 0);
    SAME(pthread_getcpuclockid(t, &other), 0); SAME(pthread_getcpuclockid(t, &again), 0);
    SAME(other, again); CHECK(other != own);
    while (clock_now(other) < 3000000)
        sched_yield();
    spin_on = 0;
    SAME(pthread_join(t, 0), 0);
    SAME(clock_now(other), -1); SAME(errno, EINVAL);
    CHECK(clock_now(own) > after);
}

static void lock_attributes(void) {
    pthread_mutexattr_t m;
    SAME(pthread_mutexattr_init(&m), 0);
    ATTRIBUTE(m, pthread_mutexattr_gettype, pthread_mutexattr_settype, int, PTHREAD_MUTEX_DEFAULT, PTHREAD_MUTEX_RECURSIVE, 77, EINVAL);
    ATTRIBUTE(m, pthread_mutexattr_getpshared, pthread_mutexattr_setpshared, int, PTHREAD_PROCESS_PRIVATE, PTHREAD_PROCESS_SHARED, 7, EINVAL);
    ATTRIBUTE(m, pthread_mutexattr_getprotocol, pthread_mutexattr_setprotocol, int, PTHREAD_PRIO_NONE, PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT, ENOTSUP);
    ATTRIBUTE(m, pthread_mutexattr_getprioceiling, pthread_mutexattr_setprioceiling, int, 0, 0, 60, EINVAL);
    ATTRIBUTE(m, pthread_mutexattr_getrobust, pthread_mutexattr_setrobust, int, PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_ROBUST, ENOTSUP);
    SAME(pthread_mutexattr_destroy(&m), 0);
    pthread_condattr_t c;
    SAME(pthread_condattr_init(&c), 0);
    ATTRIBUTE(c, pthread_condattr_getclock, pthread_condattr_setclock, clockid_t, CLOCK_REALTIME, CLOCK_MONOTONIC, 99, EINVAL);
    ATTRIBUTE(c, pthread_condattr_getpshared, pthread_condattr_setpshared, int, 0, 1, 2, EINVAL);
    SAME(pthread_condattr_destroy(&c), 0);
    pthread_rwlockattr_t r;
    SAME(pthread_rwlockattr_init(&r), 0);
    ATTRIBUTE(r, pthread_rwlockattr_getpshared, pthread_rwlockattr_setpshared, int, 0, 1, 2, EINVAL);
    SAME(pthread_rwlockattr_destroy(&r), 0);
    pthread_barrierattr_t b;
    SAME(pthread_barrierattr_init(&b), 0);
    ATTRIBUTE(b, pthread_barrierattr_getpshared, pthread_barrierattr_setpshared, int, 0, 1, 2, EINVAL);
    SAME(pthread_barrierattr_destroy(&b), 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int woken, waiting;

static void *wait_for_word(void *unused) {
    pthread_mutex_lock(&mutex);
    waiting++;
    while (!woken)
        pthread_cond_wait(&condition, &mutex);
    woken--;
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void await(const int *word, int value) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        int now = *word;
        pthread_mutex_unlock(&mutex);
        if (now >= value)
            return;
        sched_yield();
    }
}

static void mutexes_and_conditions(void) {
    struct timespec past = {1, 0}, bad = {0, -1}, soon;
    int ceiling;
    pthread_mutex_t m;
    SAME(pthread_mutex_init(&m, 0), 0);
    SAME(pthread_mutex_lock(&m), 0);
    SAME(pthread_mutex_destroy(&m), EBUSY);
    SAME(pthread_mutex_timedlock(&m, &past), ETIMEDOUT);
    SAME(pthread_mutex_timedlock(&m, &bad), EINVAL);
    SAME(pthread_mutex_unlock(&m), 0);
    SAME(pthread_mutex_consistent(&m), EINVAL);
    SAME(pthread_mutex_getprioceiling(&m, &ceiling), EINVAL); SAME(pthread_mutex_setprioceiling(&m, 1, &ceiling), EINVAL);
    SAME(pthread_mutex_destroy(&m), 0);

    pthread_t t[3];
    waiting = woken = 0;
    for (int i = 0; i < 3; i++)
        SAME(pthread_create(&t[i], 0, wait_for_word, 0), 0);
    await(&waiting, 3);
    pthread_mutex_lock(&mutex), woken = 1, pthread_mutex_unlock(&mutex);
    SAME(pthread_cond_signal(&condition), 0);
    pthread_mutex_lock(&mutex), woken += 2, pthread_mutex_unlock(&mutex);
    SAME(pthread_cond_broadcast(&condition), 0);
    for (int i = 0; i < 3; i++)
        SAME(pthread_join(t[i], 0), 0);

    pthread_cond_t c;
    pthread_condattr_t a;
    pthread_condattr_init(&a), pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    SAME(pthread_cond_init(&c, &a), 0);
    pthread_mutex_lock(&mutex);
    soon = after(CLOCK_MONOTONIC, 5);
    SAME(pthread_cond_timedwait(&c, &mutex, &soon), ETIMEDOUT);
    SAME(pthread_cond_timedwait(&c, &mutex, &bad), EINVAL);
    soon = after(CLOCK_REALTIME, 5);
    SAME(pthread_cond_clockwait(&c, &mutex, CLOCK_REALTIME, &soon), ETIMEDOUT);
    /* The mutex is held again. */
    SAME(pthread_mutex_trylock(&mutex), EBUSY);
    pthread_mutex_unlock(&mutex);
    SAME(pthread_cond_destroy(&c), 0);
}

static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static void *try_to_write(void *unused) {
    (void)unused;
    return (void *)(long)pthread_rwlock_trywrlock(&shared);
}
static void *write_later(void *unused) {
    pthread_rwlock_wrlock(&shared);
    waiting = 100;
    pthread_rwlock_unlock(&shared);
    return unused;
}

static void readers_and_writers(void) {
    struct timespec past = {1, 0};
    pthread_t t;
    void *answer;
    pthread_rwlock_t own;
    SAME(pthread_rwlock_init(&own, 0), 0);
    SAME(pthread_rwlock_unlock(&own), EPERM);
    SAME(pthread_rwlock_destroy(&own), 0);
    SAME(pthread_rwlock_rdlock(&shared), 0); SAME(pthread_rwlock_tryrdlock(&shared), 0); SAME(pthread_rwlock_timedrdlock(&shared, &past), 0);
    SAME(pthread_rwlock_trywrlock(&shared), EBUSY); SAME(pthread_rwlock_timedwrlock(&shared, &past), ETIMEDOUT);
    SAME(pthread_rwlock_destroy(&shared), EBUSY);
    SAME(pthread_create(&t, 0, try_to_write, 0), 0);
    SAME(pthread_join(t, &answer), 0);
    SAME((long)answer, EBUSY);
    waiting = 0;
    SAME(pthread_create(&t, 0, write_later, 0), 0);
    SAME(waiting, 0);
    for (int i = 0; i < 3; i++)
        SAME(pthread_rwlock_unlock(&shared), 0);
    SAME(pthread_join(t, 0), 0);
    SAME(waiting, 100);
    SAME(pthread_rwlock_wrlock(&shared), 0);
    SAME(pthread_rwlock_tryrdlock(&shared), EBUSY); SAME(pthread_rwlock_timedrdlock(&shared, &past), ETIMEDOUT);
    SAME(pthread_rwlock_unlock(&shared), 0);
    SAME(pthread_rwlock_timedwrlock(&shared, &past), 0);
    SAME(pthread_rwlock_unlock(&shared), 0);
}

static pthread_spinlock_t spin;
static pthread_barrier_t barrier;
static long counted;
static void *count(void *unused) {
    (void)unused;
    long serial = 0;
    for (int i = 0; i < 100; i++) {
        pthread_spin_lock(&spin);
        counted++;
        pthread_spin_unlock(&spin);
    }
    for (int i = 0; i < 5; i++)
        serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    return (void *)serial;
}

static void spinning_and_barriers(void) {
    SAME(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    SAME(pthread_spin_trylock(&spin), 0); SAME(pthread_spin_trylock(&spin), EBUSY); SAME(pthread_spin_unlock(&spin), 0);
    SAME(pthread_barrier_init(&barrier, 0, 0), EINVAL);
    SAME(pthread_barrier_init(&barrier, 0, 4), 0);
    pthread_t t[4];
    counted = 0;
    for (int i = 0; i < 4; i++)
        SAME(pthread_create(&t[i], 0, count, 0), 0);
    long serial = 0;
    for (int i = 0; i < 4; i++) {
        void *own;
        SAME(pthread_join(t[i], &own), 0);
        serial += (long)own;
    }
    SAME(counted, 400);
    SAME(serial, 5);
    SAME(pthread_barrier_destroy(&barrier), 0);
    SAME(pthread_spin_destroy(&spin), 0);
}

static int once_runs;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void run_once(void) { once_runs++; }
static void *do_once(void *unused) {
    pthread_once(&once, run_once);
    return unused;
}

static int prepared, in_parent;
static void prepare(void) { prepared++; }
static void parent(void) { in_parent++; }
static void child(void) {}

static void once_and_forks(void) {
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        SAME(pthread_create(&t[i], 0, do_once, 0), 0);
    for (int i = 0; i < 3; i++)
        SAME(pthread_join(t[i], 0), 0);
    SAME(once_runs, 1);
    SAME(pthread_atfork(prepare, parent, child), 0);
}

static sem_t semaphore;
static void semaphores_in_full(void) {
    struct timespec past = {1, 0};
    int value;
    SAME(sem_init(&semaphore, 0, 1), 0);
    SAME(sem_wait(&semaphore), 0);
    SAME(sem_getvalue(&semaphore, &value), 0); SAME(value, 0);
    SAME(sem_trywait(&semaphore), -1); SAME(errno, EAGAIN);
    SAME(sem_timedwait(&semaphore, &past), -1); SAME(errno, ETIMEDOUT);
    SAME(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past), -1); SAME(errno, ETIMEDOUT);
    SAME(sem_post(&semaphore), 0);
    SAME(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past), 0);
    SAME(sem_init(&semaphore, 0, 0xffffffffu), -1); SAME(errno, EINVAL);
    SAME(sem_destroy(&semaphore), 0);
}

/* Cancellation: where the thread waits, and what it has done when it ends. */
static volatile int cleaned, reached;
static int ends[2];
static void clean(void *what) { cleaned += (int)(long)what; }
static void clean_lock(void *what) {
    /* The mutex is held when the handlers of a condition's waiter run. */
    cleaned += pthread_mutex_trylock(&mutex) == EBUSY ? (int)(long)what : 1000;
    pthread_mutex_unlock(&mutex);
}
static void *in_read(void *unused) {
    char c;
    pthread_cleanup_push(clean, (void *)1);
    reached = 1;
    if (read(ends[0], &c, 1) < 0)
        reached = 2;
    pthread_cleanup_pop(0);
    return unused;
}
static void *in_sleep(void *unused) {
    pthread_cleanup_push(clean, (void *)1);
    reached = 1;
    sleep(1000);
    pthread_cleanup_pop(0);
    return unused;
}
static void *in_poll(void *unused) {
    struct pollfd p = {ends[0], POLLIN, 0};
    pthread_cleanup_push(clean, (void *)1);
    reached = 1;
    poll(&p, 1, -1);
    pthread_cleanup_pop(0);
    return unused;
}
static void *in_semaphore(void *unused) {
    pthread_cleanup_push(clean, (void *)1);
    reached = 1;
    sem_wait(&semaphore);
    pthread_cleanup_pop(0);
    return unused;
}
static void *in_condition(void *unused) {
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(clean_lock, (void *)1);
    reached = 1;
    for (;;)
        pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(0);
    return unused;
}
static pthread_t other;
static void *in_join(void *unused) {
    pthread_cleanup_push(clean, (void *)1);
    reached = 1;
    pthread_join(other, 0);
    pthread_cleanup_pop(0);
    return unused;
}
static void *in_suspend(void *unused) {
    sigset_t none;
    sigemptyset(&none);
    pthread_cleanup_push(clean, (void *)1);
    reached = 1;
    sigsuspend(&none);
    pthread_cleanup_pop(0);
    return unused;
}
static void *by_asking(void *unused) {
    pthread_cleanup_push(clean, (void *)1);
    for (;;) {
        reached = 1;
        pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return unused;
}
static void *anywhere(void *unused) {
    int old;
    pthread_cleanup_push(clean, (void *)1);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    reached = 1;
    for (;;)
        ;
    pthread_cleanup_pop(0);
    return unused;
}
static volatile int go_on;
static void *disabled(void *unused) {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    reached = 1;
    while (!go_on)
        usleep(1000);
    /* Asked for, but not yet allowed. */
    pthread_testcancel();
    reached = 3;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    reached = 4;
    return unused;
}

static void cancellation(void) {
    static void *(*const places[])(void *) = {in_read, in_sleep, in_poll, in_semaphore, in_condition, in_join, in_suspend, by_asking, anywhere};
    int old;
    void *value;
    SAME(pipe(ends), 0);
    SAME(sem_init(&semaphore, 0, 0), 0);
    SAME(pthread_create(&other, 0, in_sleep, 0), 0);
    while (!reached)
        usleep(1000);
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        for (int pass = 0; pass < 3; pass++) {
            pthread_t t;
            reached = cleaned = 0;
            SAME(pthread_create(&t, 0, places[i], 0), 0);
            /* At once; on its way; surely asleep. */
            while (pass > 0 && !reached)
                usleep(1000);
            if (pass == 2)
                usleep(5000);
            SAME(pthread_cancel(t), 0);
            SAME(pthread_join(t, &value), 0);
            CHECK(value == PTHREAD_CANCELED);
            /* Cancelled before it pushed its handler it has nothing to clean. */
            CHECK(pass == 0 ? cleaned <= 1 : cleaned == 1);
        }
    reached = cleaned = 0;
    SAME(pthread_cancel(other), 0);
    SAME(pthread_join(other, &value), 0);
    CHECK(value == PTHREAD_CANCELED);
    /* A thousand times at another moment each. */
    for (unsigned i = 0; i < 1000; i++) {
        static void *(*const waits[])(void *) = {in_read, in_sleep, in_poll, in_semaphore, in_condition, in_suspend, by_asking, anywhere};
        pthread_t t;
        reached = cleaned = 0;
        SAME(pthread_create(&t, 0, waits[i % 8], 0), 0);
        for (unsigned pause = 0; pause < i / 8 % 40; pause++)
            sched_yield();
        SAME(pthread_cancel(t), 0);
        SAME(pthread_join(t, &value), 0);
        CHECK(value == PTHREAD_CANCELED);
        CHECK(cleaned <= 1);
        /* Nothing stays locked or taken. */
        SAME(pthread_mutex_trylock(&mutex), 0);
        SAME(pthread_mutex_unlock(&mutex), 0);
    }
    pthread_t t;
    reached = go_on = 0;
    SAME(pthread_create(&t, 0, disabled, 0), 0);
    while (!reached)
        usleep(1000);
    SAME(pthread_cancel(t), 0);
    go_on = 1;
    SAME(pthread_join(t, &value), 0);
    CHECK(value == PTHREAD_CANCELED);
    SAME(reached, 3);
    SAME(pthread_setcancelstate(9, &old), EINVAL); SAME(pthread_setcanceltype(9, &old), EINVAL);
    SAME(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0); SAME(old, PTHREAD_CANCEL_DEFERRED);
    SAME(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0); SAME(old, PTHREAD_CANCEL_ENABLE);
    close(ends[0]), close(ends[1]);
    sem_destroy(&semaphore);
}

const struct test_case thread_cases[] = {
    {"thread_attributes", thread_attributes},
    {"threads_inherit_rounding", threads_inherit_rounding},
    {"thread_stacks", thread_stacks},
    {"detachment", detachment},
    {"thread_guards", thread_guards},
    {"thread_lives", thread_lives},
    {"scheduling", scheduling},
    {"clocks_of_threads", clocks_of_threads},
    {"lock_attributes", lock_attributes},
    {"mutexes_and_conditions", mutexes_and_conditions},
    {"readers_and_writers", readers_and_writers},
    {"spinning_and_barriers", spinning_and_barriers},
    {"once_and_forks", once_and_forks},
    {"semaphores_in_full", semaphores_in_full},
    {"cancellation", cancellation},
};
const unsigned thread_case_count = sizeof thread_cases / sizeof *thread_cases;
