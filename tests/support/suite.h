/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main() of a Check test program: SUITE_MAIN("uuid", test_a, test_b, …).
 *
 * Prints TAP on standard output, which is what meson and `./dev test` count. An argument runs only the tests whose name
 * contains it. SUITE_TIMEOUT_S may be defined before including this file.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#ifndef SUITE_TIMEOUT_S
#define SUITE_TIMEOUT_S 20
#endif

static inline int suite_run(const char *name, const TTest *const tests[], size_t n, int argc, char **argv)
{
    Suite *suite = suite_create(name);
    for (size_t i = 0; i < n; i++) {
        if (argc > 1 && !strstr(tests[i]->name, argv[1]))
            continue;
        TCase *tc = tcase_create(tests[i]->name);
        tcase_set_timeout(tc, SUITE_TIMEOUT_S);
        tcase_add_test(tc, tests[i]);
        suite_add_tcase(suite, tc);
    }
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define SUITE_MAIN(name, ...)                                                                                \
    int main(int argc, char **argv)                                                                          \
    {                                                                                                        \
        const TTest *const tests[] = { __VA_ARGS__ };                                                        \
        return suite_run(name, tests, sizeof(tests) / sizeof(tests[0]), argc, argv);                         \
    }
