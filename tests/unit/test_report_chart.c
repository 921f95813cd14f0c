/* SPDX-License-Identifier: Apache-2.0 */
/* The scale of a chart. */
#include "chart.h"

#include <math.h>

#include "tests/support/suite.h"

START_TEST(steps_are_round_and_not_too_many)
{
    static const double spans[][2] = { { 1, 0.2 },    { 6, 1 },       { 7, 2 },     { 144, 50 },
                                       { 1000, 200 }, { 0.06, 0.01 }, { 1e9, 2e8 }, { 123456, 50000 } };
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
        ck_assert_double_eq_tol(chart_step(spans[i][0], 6), spans[i][1], spans[i][1] / 1e9);
    for (double span = 1e-6; span < 1e12; span *= 1.37) {
        double n = span / chart_step(span, 6);
        ck_assert_msg(n <= 6 + 1e-6 && n > 2, "%g has %g steps", span, n);
    }
}
END_TEST

SUITE_MAIN("report_chart", steps_are_round_and_not_too_many)
