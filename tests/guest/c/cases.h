/* The cases of each file. */
#ifndef CASES_H
#define CASES_H

#include "test.h"

extern const struct test_case thread_cases[], system_cases[];
extern const unsigned thread_case_count, system_case_count;

#endif
