/* How threads end, and the process with the last of them; in children, which may end early or not at all. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a child exits with in which all is right. */
enum { RIGHT = 7 };

/* Runs one row of a case in a child. */
static int in_time(int (*run)(int), int row) {
    fflush(0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run(row));
    return status_in_time(pid);
}

static volatile int reached, go_on;
static pthread_key_t key;

/* Who ends is not cancelled again by what runs at the end. */
static void close_nothing(void *unused) {
    int old;
    (void)unused;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    close(-1);
}

static void wait_to_go(void *unused) {
    (void)unused;
    reached = 1;
    while (!go_on)
        sched_yield();
}

static void *return_when_asked(void *unused) {
    (void)unused;
    pthread_setspecific(key, &key);
    pthread_cancel(pthread_self());
    return &key;
}

static void *exit_when_asked(void *unused) {
    pthread_exit(return_when_asked(unused));
}

static void *clean_when_asked(void *unused) {
    pthread_cleanup_push(close_nothing, 0);
    pthread_cancel(pthread_self());
    pthread_exit(unused ? unused : &key);
    pthread_cleanup_pop(0);
}

static void *be_asked_at_end(void *unused) {
    int old;
    (void)unused;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    pthread_setspecific(key, &key);
    return &key;
}

static int end_once(int row) {
    static void *(*const ways[])(void *) = {return_when_asked, exit_when_asked, clean_when_asked, be_asked_at_end};
    pthread_t t;
    void *value = 0;
    if (pthread_key_create(&key, row == 3 ? wait_to_go : close_nothing) || pthread_create(&t, 0, ways[row], 0))
        return 1;
    if (row == 3) {
        while (!reached)
            sched_yield();
        pthread_cancel(t);
        go_on = 1;
    }
    return pthread_join(t, &value) == 0 && value == &key ? RIGHT : 2;
}

static void ending_once(void) {
    for (int row = 0; row < 4; row++)
        SAME(in_time(end_once, row), RIGHT);
}

/* A stream is not left locked by a thread that is cancelled while it closes or reopens it. */
static FILE *stream;
static int way;

static void *close_when_asked(void *unused) {
    FILE *again = stream;
    pthread_cancel(pthread_self());
    switch (way) {
    case 0: again = fclose(stream) == 0 ? 0 : stdin; break;
    case 1: again = freopen("/dev/null", "w", stream); break;
    case 2: again = freopen("/nowhere/at/all", "w", stream); break;
    case 3: again = freopen(0, "a", stream); break;
    /* It has been sent something, and says so. */
    case 4: again = WEXITSTATUS(pclose(stream)) == 1 ? 0 : stdin; break;
    }
    reached = way % 2 ? again == stream : again == 0;
    pthread_testcancel();
    return unused;
}

static int close_streams(int row) {
    pthread_t t;
    void *value;
    int ends[2];
    char text[8] = "";
    way = row;
    if (pipe(ends))
        return 1;
    /* The command has the pipe as its standard output. */
    dup2(ends[1], 1);
    stream = row == 4 ? popen("test-c child wait", "w") : fdopen(ends[1], "w");
    if (!stream || fputs("text", stream) < 0)
        return 2;
    if (pthread_create(&t, 0, close_when_asked, 0) || pthread_join(t, &value) || value != PTHREAD_CANCELED)
        return 3;
    /* It waits for every stream's lock. */
    fflush(0);
    if (!reached)
        return 4;
    return row == 4 || (read(ends[0], text, sizeof text) == 4 && strcmp(text, "text") == 0) ? RIGHT : 5;
}

static void closing_streams(void) {
    mkdir("/bin", 0755);
    SAME(setenv("PATH", "/scheme/initfs/bin", 1), 0);
    copy_file("/scheme/initfs/bin/sh0", "/bin/sh");
    for (int row = 0; row < 5; row++)
        SAME(in_time(close_streams, row), RIGHT);
}

/* Nor is it gone while all streams are flushed. */
static void *open_and_close(void *unused) {
    while (!go_on) {
        FILE *f = fopen("/dev/null", "w");
        if (!f || fputs("text", f) < 0 || fclose(f))
            return &key;
    }
    return unused;
}

static int flush_all(int row) {
    pthread_t t[2];
    void *value;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&t[i], 0, open_and_close, 0))
            return 1;
    for (int i = 0; i < 1000; i++)
        if (fflush(0))
            return 2;
    go_on = 1;
    for (int i = 0; i < 2; i++)
        if (pthread_join(t[i], &value) || value)
            return 3;
    return row;
}

static void flushing_beside_closing(void) { SAME(in_time(flush_all, RIGHT), RIGHT); }

/* Nor is what knows the time zone, which is read from a file. */
static void *tell_time_when_asked(void *unused) {
    time_t now = 86400;
    struct tm tm;
    pthread_cancel(pthread_self());
    reached = localtime_r(&now, &tm) != 0;
    pthread_testcancel();
    return unused;
}

static int tell_time(int row) {
    pthread_t t;
    void *value;
    time_t now = 86400;
    struct tm tm;
    if (setenv("TZ", row ? ":/nowhere/at/all" : ":/etc/hosts", 1))
        return 1;
    if (pthread_create(&t, 0, tell_time_when_asked, 0) || pthread_join(t, &value) || value != PTHREAD_CANCELED)
        return 2;
    return localtime_r(&now, &tm) && tm.tm_mday == 2 ? RIGHT : 3;
}

static void telling_time(void) {
    for (int row = 0; row < 2; row++)
        SAME(in_time(tell_time, row), RIGHT);
}

/* A routine that ends its thread has not been called: the next one, or who waits, calls it again. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static volatile int routine_calls;

static void end_or_do(void) {
    if (routine_calls++)
        return;
    reached = 1;
    while (!go_on)
        sched_yield();
    if (way)
        pthread_exit(0);
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static void *call_once(void *second) {
    go_on = second != 0;
    pthread_once(&once, end_or_do);
    return &once;
}

static int give_up_once(int row) {
    pthread_t first, second;
    void *value;
    way = row;
    if (pthread_create(&first, 0, call_once, 0))
        return 1;
    while (!reached)
        sched_yield();
    if (pthread_create(&second, 0, call_once, &once))
        return 2;
    if (pthread_join(first, &value) || value == &once)
        return 3;
    if (pthread_join(second, &value) || value != &once || routine_calls != 2)
        return 4;
    return pthread_once(&once, end_or_do) == 0 && routine_calls == 2 ? RIGHT : 5;
}

static void giving_up_once(void) {
    for (int row = 0; row < 2; row++)
        SAME(in_time(give_up_once, row), RIGHT);
}

/* Keys' destructors run when a thread ends, before the process ends with it; when the process ends, none does. */
static void note(void *unused) {
    (void)unused;
    reached = 1;
}
static void tell_before(void) { _exit(reached ? 8 : RIGHT); }
static void tell_after(void) { _exit(reached ? RIGHT : 8); }

static void *exit_from_thread(void *unused) {
    pthread_setspecific(key, &key);
    exit(9);
    return unused;
}

static int end_with_values(int row) {
    pthread_t t;
    if (pthread_key_create(&key, note) || atexit(row < 2 ? tell_before : tell_after) || pthread_setspecific(key, &key))
        return 1;
    switch (row) {
    case 0: exit(9);
    case 1: pthread_create(&t, 0, exit_from_thread, 0); break;
    case 2: pthread_exit(0);
    }
    for (;;)
        pause();
}

static void ending_with_values(void) {
    for (int row = 0; row < 3; row++)
        SAME(in_time(end_with_values, row), RIGHT);
}

/* Timers do not keep a process whose threads have ended; what one has called does. */
static void outlive(union sigval unused) {
    (void)unused;
    reached = 1;
    usleep(20000);
    _exit(RIGHT);
}

static int end_beside_timers(int row) {
    struct sigevent event = {.sigev_notify = row == 3 ? SIGEV_THREAD : SIGEV_NONE, .sigev_notify_function = outlive};
    struct itimerspec soon = {.it_value = {0, 1}};
    timer_t timer;
    switch (row) {
    case 0: alarm(1000); break;
    case 1: alarm(1000), alarm(0); break;
    default:
        if (timer_create(CLOCK_MONOTONIC, &event, &timer))
            return 1;
    }
    if (row == 3 && timer_settime(timer, 0, &soon, 0))
        return 2;
    while (row == 3 && !reached)
        sched_yield();
    pthread_exit(0);
}

static void ending_beside_timers(void) {
    for (int row = 0; row < 4; row++)
        SAME(in_time(end_beside_timers, row), row == 3 ? RIGHT : 0);
}

/* The main thread is one like others, also that of a forked child, which a thread may have been. */
static pthread_t whole;

static void *same(void *value) { return value; }

static void *join_main(void *unused) {
    void *value;
    if (way & 1 && (pthread_detach(whole) || pthread_detach(whole) != EINVAL))
        _exit(1);
    if (way & 1)
        go_on = 1;
    else if (pthread_join(whole, &value) || value != &key)
        _exit(2);
    /* What is left of a detached one is put away by threads that come later. */
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        if (pthread_create(&t, 0, same, &key) || pthread_join(t, &value) || value != &key)
            _exit(3);
    }
    _exit(RIGHT);
    return unused;
}

static void *be_joined(void *unused) {
    pthread_t t;
    whole = pthread_self();
    if (pthread_create(&t, 0, join_main, 0))
        _exit(4);
    while (way & 1 && !go_on)
        sched_yield();
    pthread_exit(unused ? unused : &key);
}

static void *fork_to_be_joined(void *unused) {
    pid_t pid = fork();
    if (pid == 0)
        be_joined(unused);
    _exit(status_in_time(pid));
}

static int join_whole(int row) {
    pthread_t t;
    way = row;
    if (row < 2)
        be_joined(0);
    if (pthread_create(&t, 0, fork_to_be_joined, 0))
        return 5;
    for (;;)
        pause();
}

static void joining_the_main_thread(void) {
    for (int row = 0; row < 4; row++)
        SAME(in_time(join_whole, row), RIGHT);
}

/* Who is asked to end may be joined and gone before the asking is over. */
static void *end_by_request(void *unused) {
    (void)unused;
    for (;;)
        pthread_testcancel();
}

static void *end_in_wait(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void *end_by_signal(void *unused) {
    sigset_t set;
    int number;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    sigwait(&set, &number);
    return unused;
}

static void *join_it(void *it) { return (void *)(long)pthread_join(*(pthread_t *)it, 0); }

static int ask_to_end(int row) {
    static void *(*const ways[])(void *) = {end_by_request, end_in_wait, end_by_signal};
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    for (int i = 0; i < 300; i++) {
        pthread_t t, joiner;
        void *value = 0;
        int is_detached = row >= 3;
        if (pthread_create(&t, 0, ways[row % 3], 0))
            return 1;
        if (is_detached ? pthread_detach(t) : pthread_create(&joiner, 0, join_it, &t))
            return 2;
        for (int pause = 0; pause < i % 20; pause++)
            sched_yield();
        if (row % 3 == 2 ? pthread_kill(t, SIGUSR1) : pthread_cancel(t))
            return 3;
        if (!is_detached && (pthread_join(joiner, &value) || value))
            return 4;
    }
    return RIGHT;
}

static void asking_to_end(void) {
    for (int row = 0; row < 6; row++)
        SAME(in_time(ask_to_end, row), RIGHT);
}

/* Nor is a thread cancelled by what exit() calls. */
static void close_more(void) { close_nothing(0); }

static int exit_when_cancelled(int row) {
    if (atexit(close_more))
        return 1;
    pthread_cancel(pthread_self());
    exit(row);
}

static void exiting_once(void) { SAME(in_time(exit_when_cancelled, RIGHT), RIGHT); }

/* What threads meet at may be gone as soon as one has been let through. */
enum { MEETINGS = 2000 };
static pthread_barrier_t meeting;
static sem_t *volatile passed;

static void *meet_often(void *unused) {
    for (int i = 1; i <= MEETINGS; i++) {
        pthread_barrier_wait(&meeting);
        while (go_on < i)
            sched_yield();
    }
    return unused;
}

static void *pass_often(void *unused) {
    for (int i = 0; i < MEETINGS; i++) {
        sem_t *s;
        while (!(s = passed))
            sched_yield();
        passed = 0;
        sem_post(s);
    }
    return unused;
}

static int make_anew(int row) {
    static void *(*const ways[])(void *) = {meet_often, pass_often};
    pthread_t t;
    void *value;
    if (pthread_barrier_init(&meeting, 0, 2) || pthread_create(&t, 0, ways[row], 0))
        return 1;
    for (int i = 1; i <= MEETINGS; i++) {
        if (row == 0) {
            pthread_barrier_wait(&meeting);
            if (pthread_barrier_destroy(&meeting) || pthread_barrier_init(&meeting, 0, 2))
                return 2;
            go_on = i;
        } else {
            sem_t *s = mmap(0, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (s == MAP_FAILED || sem_init(s, 0, 0))
                return 3;
            passed = s;
            if (sem_wait(s) || sem_destroy(s) || munmap(s, sizeof *s))
                return 4;
        }
    }
    return pthread_join(t, &value) == 0 ? RIGHT : 5;
}

static void meeting_places_go(void) {
    for (int row = 0; row < 2; row++)
        SAME(in_time(make_anew, row), RIGHT);
}

/* A thread that reads keeps nobody from flushing, nor the process from its end. */
static void *read_for_ever(void *unused) {
    getchar();
    return unused;
}

static int exit_beside_reader(int row) {
    pthread_t t;
    int ends[2];
    if (pipe(ends) || dup2(ends[0], 0) != 0 || pthread_create(&t, 0, read_for_ever, 0))
        return 1;
    while (ftrylockfile(stdin) == 0) {
        funlockfile(stdin);
        sched_yield();
    }
    if (fflush(0))
        return 2;
    exit(row);
}

static void exiting_beside_readers(void) { SAME(in_time(exit_beside_reader, RIGHT), RIGHT); }

/* Who has the file too goes on where the program has read to, not where the library has. */
static void exiting_gives_back(void) {
    char line[8];
    write_file("/lines", "one\ntwo\nthree\n");
    int fd = open("/lines", O_RDONLY);
    CHECK(fd >= 0);
    fflush(0);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(fd, 0) != 0 || !fgets(line, sizeof line, stdin) || strcmp(line, "one\n"))
            _exit(1);
        exit(RIGHT);
    }
    SAME(status_in_time(pid), RIGHT);
    SAME(lseek(fd, 0, SEEK_CUR), 4);
    close(fd), unlink("/lines");
}

const struct test_case ending_cases[] = {
    {"ending_once", ending_once},
    {"closing_streams", closing_streams},
    {"flushing_beside_closing", flushing_beside_closing},
    {"telling_time", telling_time},
    {"giving_up_once", giving_up_once},
    {"exiting_once", exiting_once},
    {"meeting_places_go", meeting_places_go},
    {"exiting_beside_readers", exiting_beside_readers},
    {"exiting_gives_back", exiting_gives_back},
    {"ending_with_values", ending_with_values},
    {"ending_beside_timers", ending_beside_timers},
    {"joining_the_main_thread", joining_the_main_thread},
    {"asking_to_end", asking_to_end},
};
const unsigned ending_case_count = sizeof ending_cases / sizeof *ending_cases;
