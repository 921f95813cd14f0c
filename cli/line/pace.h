/* SPDX-License-Identifier: Apache-2.0 */
/* How many, and when: a rate that is kept evenly, in parts. Pure; times are the monotonic clock's. */
#pragma once

#include <stdint.h>

#define PACE_PER_SECOND_MAX 1000000

struct pace {
    int64_t per_hour; /* 0: as fast as it goes */
    int64_t next_us;  /* when the next part may begin */
};

/* "50/s", "90/m", "10/h"; "50" is per second. Return: jobs per hour; 0 when it is no rate. */
int64_t pace_parse(const char *text);

void pace_init(struct pace *p, int64_t per_hour, int64_t now_us);
/* The size of a part: a tenth of a second's worth, from 1 to @at_most. */
int pace_part(const struct pace *p, int at_most);
/* Until the next part may begin; 0: now. */
int64_t pace_wait_us(const struct pace *p, int64_t now_us);
/* So many were done. Time that was lost is made up for by one second's worth at most. */
void pace_took(struct pace *p, int64_t n, int64_t now_us);
