/* Cases and their report in the test runner's protocol. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdio.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

extern jmp_buf test_failed;
extern char test_reason[256];
extern int test_failures;
/* The case that runs. */
extern const char *test_running;

/* Runs cases; those that fail are counted. */
void test_run_all(const char *group, const struct test_case *tests, unsigned count);

/* Fails the case unless the condition holds. */
#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            snprintf(test_reason, sizeof test_reason, "%s:%d: %s", __FILE__, __LINE__, #condition); \
            longjmp(test_failed, 1);                                                          \
        }                                                                                     \
    } while (0)

/* Fails the case unless the two integers are equal. */
#define SAME(got, want)                                                                       \
    do {                                                                                      \
        long long got_ = (got), want_ = (want);                                               \
        if (got_ != want_) {                                                                  \
            snprintf(test_reason, sizeof test_reason, "%s:%d: %s: expected %lld, got %lld", __FILE__, \
                     __LINE__, #got, want_, got_);                                            \
            longjmp(test_failed, 1);                                                          \
        }                                                                                     \
    } while (0)

#endif
