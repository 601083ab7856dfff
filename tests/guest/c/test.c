/* Runs cases and prints their report in the test runner's protocol. */
#include "test.h"

jmp_buf test_failed;
char test_reason[256];
int test_failures;

static void run(const char *group, const struct test_case *test) {
    if (setjmp(test_failed) == 0) {
        test->run();
        printf("@test ok %s.%s\n", group, test->name);
    } else {
        printf("@test FAIL %s.%s: %s\n", group, test->name, test_reason);
        test_failures++;
    }
    fflush(stdout);
}

void test_run_all(const char *group, const struct test_case *tests, unsigned count) {
    printf("@test plan %u\n", count);
    for (unsigned i = 0; i < count; i++)
        run(group, &tests[i]);
}
