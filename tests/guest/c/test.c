/* Runs cases and prints their report in the test runner's protocol. */
#include "test.h"

#include <signal.h>

jmp_buf test_failed;
char test_reason[256];
int test_failures;
const char *test_running = "";

static void run(const char *group, const struct test_case *test) {
    /* A case that fails leaves no signals blocked for those after it, and for their children. */
    sigset_t mask;
    sigprocmask(SIG_BLOCK, 0, &mask);
    test_running = test->name;
    if (setjmp(test_failed) == 0) {
        test->run();
        printf("@test ok %s.%s\n", group, test->name);
    } else {
        printf("@test FAIL %s.%s: %s\n", group, test->name, test_reason);
        test_failures++;
    }
    sigprocmask(SIG_SETMASK, &mask, 0);
    fflush(stdout);
}

void test_run_all(const char *group, const struct test_case *tests, unsigned count) {
    printf("@test plan %u\n", count);
    for (unsigned i = 0; i < count; i++)
        run(group, &tests[i]);
}
