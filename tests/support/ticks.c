/* SPDX-License-Identifier: Apache-2.0 */
/* Ticks for tests/cron_oracle.py: a line "ZONE FROM UNTIL EXPRESSION" in, the ticks in that time (seconds since 1970) out in one line. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "libjob/schedule.h"

static int answer(const char *line)
{
    char zone[80];
    int64_t from, until;
    int expression;
    struct schedule s = { 0 };
    struct err err = { 0 };
    if (sscanf(line, "%79s %" SCNd64 " %" SCNd64 " %n", zone, &from, &until, &expression) != 3)
        return 1;
    int r = schedule_init(&s, line + expression, zone, 0, &err);
    for (int64_t t = r ? CRON_NEVER : schedule_next(&s, from * USEC_PER_SEC - 1); t < until * USEC_PER_SEC;
         t = schedule_next(&s, t))
        printf("%" PRId64 " ", t / USEC_PER_SEC);
    printf("%s\n", r ? err.text : "");
    schedule_done(&s);
    return fflush(stdout);
}

int main(void)
{
    char line[512];
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (answer(line))
            return 1;
    }
    return 0;
}
