/* Signals beyond the common ones, and waits with masks. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int caught;
static void catch(int number) { caught = number; }
static volatile long value_caught;
static volatile int code_caught, times_caught;
static volatile uid_t user_caught;
static void catch_info(int number, siginfo_t *info, void *context) {
    (void)context;
    caught = number;
    times_caught++;
    code_caught = info->si_code;
    user_caught = info->si_uid;
    value_caught = (long)info->si_value.sival_ptr;
}
static char *stack_used;
static void on_stack(int number) {
    char here;
    stack_used = &here;
    caught = number;
}
static int signal_group(void) {
    setpgid(0, 0);
    signal(SIGUSR1, catch);
    killpg(getpgrp(), SIGUSR1);
    return caught != SIGUSR1 || killpg(-3, 0) != -1 || errno != EINVAL;
}

static void more_signals(void) {
    sigset_t set, old;
    SAME(sigfillset(&set), 0); SAME(sigismember(&set, SIGUSR2), 1);
    SAME(sigdelset(&set, SIGUSR2), 0); SAME(sigismember(&set, SIGUSR2), 0);
    SAME(sigdelset(&set, 0), -1); SAME(errno, EINVAL);
    SAME(sigaddset(&set, 65), -1); SAME(errno, EINVAL);
    struct sigaction action = {.sa_handler = on_stack, .sa_flags = SA_ONSTACK};
    static char memory[1 << 16];
    stack_t stack = {memory, 0, sizeof memory}, before;
    stack_t small = {memory, 0, 16};
    SAME(sigaltstack(&small, 0), -1); SAME(errno, ENOMEM);
    SAME(sigaltstack(&stack, &before), 0); SAME(before.ss_flags, SS_DISABLE);
    SAME(sigaction(SIGUSR2, &action, 0), 0);
    SAME(raise(SIGUSR2), 0);
    CHECK(caught == SIGUSR2 && stack_used > memory && stack_used < memory + sizeof memory);
    SAME(sigaltstack(&before, 0), 0);
    /* With the value that was queued. */
    action = (struct sigaction){.sa_sigaction = catch_info, .sa_flags = SA_SIGINFO};
    SAME(sigaction(SIGRTMIN, &action, 0), 0);
    SAME(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = (void *)1234}), 0);
    SAME(caught, SIGRTMIN); SAME(value_caught, 1234);
    sigemptyset(&set), sigaddset(&set, SIGRTMIN + 1);
    SAME(sigprocmask(SIG_BLOCK, &set, &old), 0);
    SAME(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)77}), 0);
    siginfo_t info;
    SAME(sigwaitinfo(&set, &info), SIGRTMIN + 1);
    CHECK(info.si_value.sival_ptr == (void *)77 && info.si_pid == getpid());
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
    SAME(in_child(signal_group), 0);
    SAME(siginterrupt(SIGALRM, 1), 0);
    signal(SIGALRM, catch), siginterrupt(SIGALRM, 1);
    caught = 0;
    /* Blocked until the wait, so that it cannot come before. */
    sigemptyset(&set), sigaddset(&set, SIGALRM);
    SAME(sigprocmask(SIG_BLOCK, &set, &old), 0);
    alarm(1);
    SAME(sigpause(SIGALRM), -1); SAME(errno, EINTR); SAME(caught, SIGALRM);
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
    psignal(SIGTERM, "psignal");
    psiginfo(&info, "psiginfo");
}

static void waiting_with_masks(void) {
    int ends[2];
    SAME(pipe(ends), 0);
    sigset_t mask;
    sigemptyset(&mask);
    struct timespec soon = {0, 1000000};
    struct pollfd p = {ends[0], POLLIN, 0};
    SAME(ppoll(&p, 1, &soon, &mask), 0);
    fd_set set;
    FD_ZERO(&set), FD_SET(ends[1], &set);
    SAME(pselect(ends[1] + 1, 0, &set, 0, &soon, &mask), 1);
    int queue = epoll_create(1);
    CHECK(queue >= 0);
    SAME(epoll_create(0), -1); SAME(errno, EINVAL);
    struct epoll_event e = {.events = EPOLLOUT, .data.fd = 5}, got;
    SAME(epoll_ctl(queue, EPOLL_CTL_ADD, ends[1], &e), 0);
    SAME(epoll_pwait(queue, &got, 1, -1, &mask), 1); SAME(got.data.fd, 5);
    close(queue), close(ends[0]), close(ends[1]);
}

/* A signal that is pending when the wait begins ends it, and is blocked again afterwards. */
static void waiting_with_pending_signals(void) {
    struct timespec long_time = {30, 0};
    struct epoll_event got;
    sigset_t blocked, old, now, none;
    int queue = epoll_create(1);
    sigemptyset(&none), sigemptyset(&blocked), sigaddset(&blocked, SIGUSR1);
    CHECK(queue >= 0 && signal(SIGUSR1, catch) != SIG_ERR);
    SAME(sigprocmask(SIG_BLOCK, &blocked, &old), 0);
    for (int way = 0; way < 3; way++) {
        caught = 0;
        SAME(raise(SIGUSR1), 0);
        SAME(caught, 0);
        SAME(way == 0   ? pselect(0, 0, 0, 0, &long_time, &none)
             : way == 1 ? ppoll(0, 0, &long_time, &none)
                        : epoll_pwait(queue, &got, 1, 30000, &none),
             -1);
        SAME(errno, EINTR); SAME(caught, SIGUSR1);
        SAME(sigprocmask(SIG_BLOCK, 0, &now), 0); SAME(sigismember(&now, SIGUSR1), 1);
    }
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
    signal(SIGUSR1, SIG_DFL);
    close(queue);
}

/* One that comes at whatever moment of the call ends it too: each wait is for ever. */
static int wait_for_signals(void) {
    struct itimerval once = {0};
    struct epoll_event got;
    sigset_t blocked, none;
    int queue = epoll_create1(0);
    sigemptyset(&none), sigemptyset(&blocked), sigaddset(&blocked, SIGALRM);
    if (queue < 0 || signal(SIGALRM, catch) == SIG_ERR || sigprocmask(SIG_BLOCK, &blocked, 0) != 0)
        return 1;
    for (int step = 0; step < 1500; step++) {
        int way = step % 3;
        once.it_value.tv_usec = 1 + 2 * (step / 3);
        caught = 0;
        if (setitimer(ITIMER_REAL, &once, 0) != 0)
            return 2;
        if ((way == 0   ? pselect(0, 0, 0, 0, 0, &none)
             : way == 1 ? ppoll(0, 0, 0, &none)
                        : epoll_pwait(queue, &got, 1, -1, &none))
                != -1
            || errno != EINTR || caught != SIGALRM)
            return 3 + way;
    }
    return 0;
}
static void waiting_while_signals_come(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(wait_for_signals());
    SAME(status_in_time(pid), 0);
}

/* A handler may come while what it calls is going on. */
static volatile int used, wrong;
static int queue_used;
static void use_in_handler(int number) {
    (void)number;
    int errno_before = errno;
    struct sigaction action;
    struct itimerval left;
    /* Nothing runs here: `execve` is what may be called, and it allocates. */
    char *const none[] = {0};
    wrong |= execve("/no-such-program", none, none) != -1 || errno != ENOENT;
    wrong |= chdir(".") != 0 || close(dup(0)) != 0 || sigaction(SIGUSR2, 0, &action) != 0;
    wrong |= getitimer(ITIMER_REAL, &left) != 0;
    used++;
    errno = errno_before;
}
static int use_and_be_interrupted(void) {
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0}, left;
    struct sigaction action = {.sa_handler = use_in_handler, .sa_flags = SA_RESTART}, other;
    struct epoll_event e = {.events = EPOLLIN};
    int ends[2];
    char place[64];
    queue_used = epoll_create1(0);
    if (queue_used < 0 || pipe(ends) != 0 || sigaction(SIGALRM, &action, 0) != 0 || setitimer(ITIMER_REAL, &often, 0) != 0)
        return 1;
    while (used < 200) {
        free(malloc(64));
        if (chdir(".") != 0 || !getcwd(place, sizeof place) || sigaction(SIGUSR1, 0, &other) != 0 || getitimer(ITIMER_REAL, &left) != 0)
            return 2;
        if (epoll_ctl(queue_used, EPOLL_CTL_ADD, ends[0], &e) != 0 || epoll_ctl(queue_used, EPOLL_CTL_DEL, ends[0], &e) != 0)
            return 3;
    }
    return setitimer(ITIMER_REAL, &never, 0) != 0 || wrong;
}
static void handlers_use_what_they_interrupt(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(use_and_be_interrupted());
    SAME(status_in_time(pid), 0);
}

static int alarm_after_fork(void) {
    /* That of the parent is not this process's. */
    if (alarm(0) != 0)
        return 1;
    signal(SIGALRM, catch);
    caught = 0;
    ualarm(1000, 0);
    while (caught != SIGALRM)
        usleep(1000);
    return 0;
}
static void a_child_has_its_own_alarm(void) {
    SAME(alarm(1000), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(alarm_after_fork());
    SAME(status_in_time(pid), 0);
    CHECK(alarm(0) > 900);
}

static int send_value(int number, long value) {
    return sigqueue(getpid(), number, (union sigval){.sival_ptr = (void *)value});
}
static void ordinary_signals_bring_values(void) {
    struct sigaction with = {.sa_sigaction = catch_info, .sa_flags = SA_SIGINFO}, without = {.sa_handler = catch};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set, old;
    siginfo_t info;
    SAME(sigaction(SIGUSR1, &with, 0), 0);
    SAME(send_value(SIGUSR1, 1234), 0);
    SAME(value_caught, 1234); SAME(code_caught, SI_QUEUE);
    SAME(kill(getpid(), SIGUSR1), 0);
    SAME(value_caught, 0); SAME(code_caught, SI_USER);
    /* The first that is pending is the one that comes. */
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    SAME(sigprocmask(SIG_BLOCK, &set, &old), 0);
    times_caught = 0;
    SAME(send_value(SIGUSR1, 1), 0); SAME(send_value(SIGUSR1, 2), 0); SAME(kill(getpid(), SIGUSR1), 0);
    SAME(sigprocmask(SIG_UNBLOCK, &set, 0), 0);
    SAME(times_caught, 1); SAME(value_caught, 1); SAME(code_caught, SI_QUEUE);
    SAME(sigprocmask(SIG_BLOCK, &set, 0), 0);
    SAME(kill(getpid(), SIGUSR1), 0); SAME(send_value(SIGUSR1, 2), 0);
    SAME(sigprocmask(SIG_UNBLOCK, &set, 0), 0);
    SAME(times_caught, 2); SAME(value_caught, 0); SAME(code_caught, SI_USER);
    SAME(sigprocmask(SIG_BLOCK, &set, 0), 0);
    SAME(send_value(SIGUSR1, 77), 0);
    SAME(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK(info.si_value.sival_ptr == (void *)77 && info.si_code == SI_QUEUE && info.si_pid == getpid() && info.si_uid == getuid());
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
    /* Whoever takes it, the queue does not fill. */
    for (int i = 0; i < 300; i++) {
        SAME(sigaction(SIGUSR1, i % 3 == 0 ? &with : i % 3 == 1 ? &without : &ignore, 0), 0);
        SAME(send_value(SIGUSR1, i), 0);
    }
    SAME(sigaction(SIGRTMIN, &with, 0), 0);
    SAME(send_value(SIGRTMIN, 5), 0); SAME(value_caught, 5);
    /* One sent to a thread has nothing to do with those that wait for the process. */
    sigemptyset(&set), sigaddset(&set, SIGRTMIN);
    SAME(sigprocmask(SIG_BLOCK, &set, 0), 0);
    SAME(send_value(SIGRTMIN, 6), 0); SAME(raise(SIGRTMIN), 0);
    SAME(sigwaitinfo(&set, &info), SIGRTMIN); CHECK(!info.si_value.sival_ptr);
    SAME(sigwaitinfo(&set, &info), SIGRTMIN); CHECK(info.si_value.sival_ptr == (void *)6);
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
    SAME(signal(SIGUSR1, SIG_DFL) == SIG_ERR, 0); SAME(signal(SIGRTMIN, SIG_DFL) == SIG_ERR, 0);
}

static int signals_of_a_user(void) {
    struct sigaction with = {.sa_sigaction = catch_info, .sa_flags = SA_SIGINFO};
    int wrong = sigaction(SIGUSR1, &with, 0) != 0;
    wrong |= raise(SIGUSR1) != 0 || user_caught != getuid();
    wrong |= setresuid(1000, 0, 0) != 0 || raise(SIGUSR1) != 0 || user_caught != 1000;
    wrong |= setresuid(1001, 0, 0) != 0 || pthread_kill(pthread_self(), SIGUSR1) != 0 || user_caught != 1001;
    wrong |= send_value(SIGUSR1, 1) != 0 || user_caught != 1001;
    return wrong;
}
static void senders_and_targets(void) {
    SAME(raise(0), 0);
    SAME(raise(-1), -1); SAME(errno, EINVAL);
    SAME(in_child(signals_of_a_user), 0);
    /* No groups, and nobody is asked whether there is such a signal. */
    union sigval none = {0};
    SAME(sigqueue(0, SIGURG, none), -1); SAME(errno, ESRCH);
    SAME(sigqueue(-getpgrp(), SIGURG, none), -1); SAME(errno, ESRCH);
    SAME(sigqueue(0, 99, none), -1); SAME(errno, ESRCH);
    SAME(sigqueue(getpid(), 99, none), -1); SAME(errno, EINVAL);
    SAME(sigqueue(getpid(), 0, none), 0);
}

static void timers_bring_values(void) {
    sigset_t set, old;
    siginfo_t info;
    struct timespec limit = {30, 0};
    struct itimerspec soon = {{0, 0}, {0, 1000}};
    sigemptyset(&set), sigaddset(&set, SIGALRM), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN);
    /* Timers' threads take no signals. */
    SAME(sigprocmask(SIG_BLOCK, &set, &old), 0);
    for (int i = 0; i < 3; i++) {
        int number = i == 0 ? SIGALRM : i == 1 ? SIGUSR1 : SIGRTMIN;
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number, .sigev_value.sival_ptr = &limit};
        timer_t timer;
        SAME(timer_create(CLOCK_MONOTONIC, i == 0 ? 0 : &event, &timer), 0);
        SAME(timer_settime(timer, 0, &soon, 0), 0);
        SAME(sigtimedwait(&set, &info, &limit), number);
        SAME(info.si_signo, number); SAME(info.si_code, SI_TIMER);
        CHECK(info.si_value.sival_ptr == (i == 0 ? (void *)timer : &limit));
        SAME(timer_delete(timer), 0);
    }
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
}

/* A wait for a lock goes on after a handler that says so, and ends after one that does not. */
static int lock_taken(int how, int fd) {
    struct flock all = {.l_type = F_WRLCK};
    return how == 0 ? flock(fd, LOCK_EX) : how == 1 ? fcntl(fd, F_SETLKW, &all) : lockf(fd, F_LOCK, 0);
}

static void lock_handler(int number) { (void)number; }

static int has_ended(pid_t pid) {
    siginfo_t info = {0};
    return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static void locks_and_signals(void) {
    write_file("/locked", "text");
    for (int row = 0; row < 6; row++) {
        int how = row / 2, restarts = row % 2, fd = open("/locked", O_RDWR), said[2];
        char c;
        CHECK(fd >= 0);
        SAME(pipe(said), 0);
        SAME(lock_taken(how, fd), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct sigaction action = {.sa_handler = lock_handler, .sa_flags = restarts ? SA_RESTART : 0};
            close(fd);
            int own = open("/locked", O_RDWR);
            if (own < 0 || sigaction(SIGUSR1, &action, 0) || write(said[1], "", 1) != 1)
                _exit(3);
            int taken = lock_taken(how, own);
            _exit(taken == 0 ? 0 : errno == EINTR ? 1 : 2);
        }
        SAME(read(said[0], &c, 1), 1);
        for (int i = 0; i < (restarts ? 20 : 3000) && !has_ended(pid); i++)
            usleep(10000), kill(pid, SIGUSR1);
        close(fd);
        SAME(status_in_time(pid), !restarts);
        close(said[0]), close(said[1]);
    }
    SAME(unlink("/locked"), 0);
}

/* A handler finds the floating-point state that a function expects, whatever it interrupts, which goes on
   with its own. */
static volatile int floats_wrong;
static void use_floats(int number) {
    unsigned short control;
    volatile long double x = 1.5L;
    x = x * 2;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    floats_wrong = x != 3 || control != 0x37f || __builtin_ia32_stmxcsr() != 0x1f80;
    caught = number;
}
static int interrupt_floats(void) {
    /* Rounding towards zero; the x87 stack is full. */
    unsigned before = __builtin_ia32_stmxcsr(), cut = 0x7f80, after = 0;
    unsigned short control = 0xf7f, control_after = 0;
    double left[8] = {0};
    caught = 0;
    if (signal(SIGTRAP, use_floats) == SIG_ERR)
        return 1;
    __asm__ volatile(
        "ldmxcsr %[cut]\n fldcw %[control]\n"
        "fld1\n fld1\n fld1\n fld1\n fld1\n fld1\n fld1\n fld1\n"
        "int3\n"
        "stmxcsr %[after]\n fnstcw %[control_after]\n"
        "fstpl 0(%[left])\n fstpl 8(%[left])\n fstpl 16(%[left])\n fstpl 24(%[left])\n"
        "fstpl 32(%[left])\n fstpl 40(%[left])\n fstpl 48(%[left])\n fstpl 56(%[left])\n"
        "fninit\n ldmxcsr %[before]"
        : [after] "=m"(after), [control_after] "=m"(control_after)
        : [cut] "m"(cut), [control] "m"(control), [before] "m"(before), [left] "r"(left)
        : "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
    if (caught != SIGTRAP || floats_wrong)
        return 2;
    for (int i = 0; i < 8; i++)
        if (left[i] != 1)
            return 3;
    return after == cut && control_after == control ? 0 : 4;
}
static void handlers_start_with_fresh_floats(void) { SAME(in_child(interrupt_floats), 0); }

/* A stop is put off by a process whose threads all block it, whatever other processes' threads do. */
static void *let_stops_through(void *end) {
    sigset_t stop;
    sigemptyset(&stop), sigaddset(&stop, SIGTSTP);
    if (pthread_sigmask(SIG_UNBLOCK, &stop, 0) || write(*(int *)end, "", 1) != 1)
        _exit(2);
    for (;;)
        pause();
    return 0;
}
static int block_stops(int said, int thread) {
    sigset_t stop, pending;
    pthread_t other;
    sigemptyset(&stop), sigaddset(&stop, SIGTSTP);
    /* Its parent is in another group, so that it may be stopped. */
    if (setpgid(0, 0) || sigprocmask(SIG_BLOCK, &stop, 0))
        return 3;
    if (thread ? pthread_create(&other, 0, let_stops_through, &said) != 0 : write(said, "", 1) != 1)
        return 4;
    for (int i = 0; i < 3000; i++) {
        if (sigpending(&pending) == 0 && sigismember(&pending, SIGTSTP))
            return 0;
        usleep(10000);
    }
    return 1;
}
static void blocked_stops_are_put_off(void) {
    for (int thread = 0; thread < 2; thread++) {
        int said[2], status = 0;
        char c;
        SAME(pipe(said), 0);
        pid_t pid = fork();
        if (pid == 0)
            _exit(block_stops(said[1], thread));
        close(said[1]);
        SAME(read(said[0], &c, 1), 1);
        close(said[0]);
        SAME(kill(pid, SIGTSTP), 0);
        if (!thread) {
            SAME(status_in_time(pid), 0);
            continue;
        }
        pid_t seen = 0;
        for (int i = 0; i < 3000 && seen == 0; i++)
            usleep(10000), seen = waitpid(pid, &status, WUNTRACED | WNOHANG);
        kill(pid, SIGKILL);
        if (seen == 0 || (seen == pid && WIFSTOPPED(status)))
            waitpid(pid, 0, 0);
        SAME(seen, pid);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    }
}

const struct test_case signal_cases[] = {
    {"more_signals", more_signals},
    {"ordinary_signals_bring_values", ordinary_signals_bring_values},
    {"timers_bring_values", timers_bring_values},
    {"senders_and_targets", senders_and_targets},
    {"waiting_with_masks", waiting_with_masks},
    {"waiting_with_pending_signals", waiting_with_pending_signals},
    {"waiting_while_signals_come", waiting_while_signals_come},
    {"handlers_use_what_they_interrupt", handlers_use_what_they_interrupt},
    {"a_child_has_its_own_alarm", a_child_has_its_own_alarm},
    {"locks_and_signals", locks_and_signals},
    {"handlers_start_with_fresh_floats", handlers_start_with_fresh_floats},
    {"blocked_stops_are_put_off", blocked_stops_are_put_off},
};
const unsigned signal_case_count = sizeof signal_cases / sizeof *signal_cases;
