/* Clocks, timers and processor time. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static volatile int caught;
static void catch(int number) { caught = number; }

static void clocks(void) {
    struct timespec t, u;
    struct timeval v;
    SAME(clock_getres(CLOCK_MONOTONIC, &t), 0); CHECK(t.tv_sec == 0 && t.tv_nsec > 0);
    SAME(clock_getres(99, &t), -1); SAME(errno, EINVAL);
    SAME(timespec_get(&t, TIME_UTC), TIME_UTC); SAME(timespec_get(&t, 0), 0);
    SAME(gettimeofday(&v, 0), 0); CHECK(llabs(v.tv_sec - t.tv_sec) < 5);
    SAME(clock_settime(CLOCK_REALTIME, &t), -1); SAME(errno, EPERM);
    SAME(clock_settime(CLOCK_MONOTONIC, &t), -1); SAME(errno, EINVAL);
    SAME(settimeofday(&v, 0), -1); SAME(errno, EPERM);
    SAME(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    u = t, u.tv_nsec += 2000000;
    if (u.tv_nsec >= 1000000000)
        u.tv_sec++, u.tv_nsec -= 1000000000;
    SAME(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &u, 0), 0);
    SAME(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    CHECK(t.tv_sec > u.tv_sec || (t.tv_sec == u.tv_sec && t.tv_nsec >= u.tv_nsec));
    u.tv_nsec = -1;
    SAME(clock_nanosleep(CLOCK_MONOTONIC, 0, &u, 0), EINVAL);
    SAME(clock_nanosleep(99, 0, &t, 0), EINVAL);
    SAME(usleep(1000), 0); SAME(sleep(0), 0);
    struct itimerval interval = {{0, 0}, {0, 2000}}, now;
    signal(SIGALRM, catch);
    caught = 0;
    SAME(setitimer(ITIMER_REAL, &interval, 0), 0);
    while (!caught)
        usleep(500);
    SAME(getitimer(ITIMER_REAL, &now), 0); CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);
    SAME(getitimer(99, &now), -1); SAME(errno, EINVAL);
    caught = 0;
    ualarm(2000, 0);
    while (!caught)
        usleep(500);
    SAME(alarm(100), 0); CHECK(alarm(0) > 90);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    SAME(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    SAME(timer_getoverrun(timer), 0);
    SAME(timer_delete(timer), 0);
    wchar_t text[32];
    struct tm tm = {.tm_year = 124, .tm_mon = 1, .tm_mday = 29};
    SAME(wcsftime(text, 32, L"%Y-%m-%d", &tm), 10); CHECK(wcscmp(text, L"2024-02-29") == 0);
}

static long long clock_now(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * 1000000000ll + t.tv_nsec : -1;
}

/* Keeps the processor for so many nanoseconds. */
static void keep_busy(long long amount) {
    long long end = clock_now(CLOCK_THREAD_CPUTIME_ID) + amount;
    while (clock_now(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
}

static void *busy_thread(void *amount) {
    keep_busy((long)amount);
    return 0;
}

static const long long millisecond = 1000000;

static long long used(int who) {
    struct rusage usage;
    return getrusage(who, &usage) == 0 ? usage.ru_utime.tv_sec * 1000000000ll + usage.ru_utime.tv_usec * 1000ll : -1;
}

static long long before_fork;

/* 0 if its clock began with it, and its parent's children are not its own. */
static int works_and_has_a_child(void) {
    if (clock_now(CLOCK_PROCESS_CPUTIME_ID) >= before_fork || used(RUSAGE_CHILDREN) != 0)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        keep_busy(20 * millisecond), _exit(0);
    if (status_of(pid) != 0 || used(RUSAGE_CHILDREN) < 20 * millisecond)
        return 2;
    keep_busy(20 * millisecond);
    return 0;
}

static void processor_time(void) {
    long long process = clock_now(CLOCK_PROCESS_CPUTIME_ID), thread = clock_now(CLOCK_THREAD_CPUTIME_ID);
    clock_t ticks = clock();
    CHECK(process > 0 && thread > 0 && ticks > 0);
    CHECK(thread <= clock_now(CLOCK_PROCESS_CPUTIME_ID));
    keep_busy(30 * millisecond);
    CHECK(clock_now(CLOCK_PROCESS_CPUTIME_ID) - process >= 30 * millisecond);
    CHECK((clock() - ticks) * (1000000000ll / CLOCKS_PER_SEC) >= 29 * millisecond);
    CHECK(used(RUSAGE_SELF) >= 30 * millisecond && used(RUSAGE_THREAD) >= 30 * millisecond);
    struct tms first, now;
    CHECK(times(&first) != (clock_t)-1);
    CHECK(first.tms_utime + first.tms_stime >= 3);

    /* What does not run uses nothing. */
    long long real = clock_now(CLOCK_MONOTONIC);
    process = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    usleep(20000);
    process = clock_now(CLOCK_PROCESS_CPUTIME_ID) - process;
    CHECK(process < clock_now(CLOCK_MONOTONIC) - real);

    /* Threads are counted, also when they have ended. */
    thread = clock_now(CLOCK_THREAD_CPUTIME_ID), process = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    pthread_t t;
    SAME(pthread_create(&t, 0, busy_thread, (void *)(long)(20 * millisecond)), 0);
    SAME(pthread_join(t, 0), 0);
    thread = clock_now(CLOCK_THREAD_CPUTIME_ID) - thread;
    CHECK(clock_now(CLOCK_PROCESS_CPUTIME_ID) - process >= thread + 20 * millisecond);

    /* A child's time is there when it has been waited for. */
    keep_busy(100 * millisecond);
    fflush(0);
    long long children = used(RUSAGE_CHILDREN);
    before_fork = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    pid_t pid = fork();
    if (pid == 0)
        _exit(works_and_has_a_child());
    siginfo_t info;
    SAME(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    SAME(info.si_status, 0);
    SAME(used(RUSAGE_CHILDREN), children);
    CHECK(times(&now) != (clock_t)-1); SAME(now.tms_cutime, first.tms_cutime);
    int status;
    struct rusage usage;
    SAME(wait4(pid, &status, 0, &usage), pid); SAME(status, 0);
    long long told = usage.ru_utime.tv_sec * 1000000000ll + usage.ru_utime.tv_usec * 1000ll;
    CHECK(told >= 40 * millisecond);
    CHECK(used(RUSAGE_CHILDREN) >= children + told);
    CHECK(times(&now) != (clock_t)-1); CHECK(now.tms_cutime + now.tms_cstime >= first.tms_cutime + 4);

    /* A program that is executed goes on counting. */
    pid = fork();
    if (pid == 0)
        keep_busy(50 * millisecond), execl(self, self, "child", "used", "50", (char *)0), _exit(99);
    SAME(status_of(pid), 0);

    clockid_t clock;
    SAME(clock_getcpuclockid(0, &clock), 0); SAME(clock, CLOCK_PROCESS_CPUTIME_ID);
    SAME(clock_getcpuclockid(getpid(), &clock), 0); SAME(clock, CLOCK_PROCESS_CPUTIME_ID);
    SAME(clock_getcpuclockid(getppid(), &clock), EPERM);
    SAME(clock_getcpuclockid(999999, &clock), ESRCH);
}

static const long long wait_time = 100 * 1000000;

static struct timespec after_wait(void) {
    long long end = clock_now(CLOCK_REALTIME) + wait_time;
    return (struct timespec){end / 1000000000, end % 1000000000};
}

static void wait_for_signal(void) {
    struct timespec amount = {0, wait_time};
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR2);
    SAME(sigprocmask(SIG_BLOCK, &set, 0), 0);
    SAME(sigtimedwait(&set, 0, &amount), -1); SAME(errno, EAGAIN);
    SAME(sigprocmask(SIG_UNBLOCK, &set, 0), 0);
}

static void wait_for_semaphore(void) {
    sem_t semaphore;
    SAME(sem_init(&semaphore, 0, 0), 0);
    struct timespec end = after_wait();
    SAME(sem_timedwait(&semaphore, &end), -1); SAME(errno, ETIMEDOUT);
}

static void wait_for_mutex(void) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    SAME(pthread_mutex_lock(&mutex), 0);
    struct timespec end = after_wait();
    SAME(pthread_mutex_timedlock(&mutex, &end), ETIMEDOUT);
    SAME(pthread_mutex_unlock(&mutex), 0);
}

static void wait_for_condition(void) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    SAME(pthread_mutex_lock(&mutex), 0);
    struct timespec end = after_wait();
    int error;
    /* It may end for no reason, which is no end of the time. */
    while ((error = pthread_cond_timedwait(&condition, &mutex, &end)) == 0)
        ;
    SAME(error, ETIMEDOUT);
    SAME(pthread_mutex_unlock(&mutex), 0);
}

static void wait_for_alarm(void) {
    sigset_t set, old;
    sigemptyset(&set), sigaddset(&set, SIGALRM);
    SAME(sigprocmask(SIG_BLOCK, &set, &old), 0);
    signal(SIGALRM, catch);
    caught = 0;
    ualarm(wait_time / 1000, 0);
    while (!caught)
        sigsuspend(&old);
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
}

/* What waits for a time waits that long, and leaves the processor to others. */
static void waits_with_a_limit(void) {
    static void (*const waits[])(void) = {wait_for_signal, wait_for_semaphore, wait_for_mutex, wait_for_condition, wait_for_alarm};
    for (unsigned i = 0; i < sizeof waits / sizeof *waits; i++) {
        long long real = clock_now(CLOCK_MONOTONIC), process = clock_now(CLOCK_PROCESS_CPUTIME_ID);
        waits[i]();
        process = clock_now(CLOCK_PROCESS_CPUTIME_ID) - process;
        real = clock_now(CLOCK_MONOTONIC) - real;
        /* However slow the machine is, what it slept is the difference. */
        if (real - process < wait_time / 2)
            printf("  wait %u: %lld ns, and %lld of the processor\n", i, real, process);
        CHECK(real >= wait_time); CHECK(real - process >= wait_time / 2);
    }
}

const struct test_case time_cases[] = {
    {"clocks", clocks},
    {"processor_time", processor_time},
    {"waits_with_a_limit", waits_with_a_limit},
};
const unsigned time_case_count = sizeof time_cases / sizeof *time_cases;
