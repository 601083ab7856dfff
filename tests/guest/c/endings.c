/* How threads end, and the process with the last of them; in children, which may end early or not at all. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
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

const struct test_case ending_cases[] = {
    {"ending_once", ending_once},
};
const unsigned ending_case_count = sizeof ending_cases / sizeof *ending_cases;
