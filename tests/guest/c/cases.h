/* The cases of each file. */
#ifndef CASES_H
#define CASES_H

#include "test.h"

extern const struct test_case thread_cases[], process_cases[], user_cases[], network_cases[], signal_cases[], time_cases[],
    machine_cases[], path_cases[], output_cases[], interrupt_cases[], ending_cases[];
extern const unsigned thread_case_count, process_case_count, user_case_count, network_case_count, signal_case_count,
    time_case_count, machine_case_count, path_case_count, output_case_count, interrupt_case_count,
    ending_case_count;

#endif
