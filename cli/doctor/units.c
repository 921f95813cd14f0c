/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the service manager's units, where there is one: is what should run running? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/program.h"

#define TIMEOUT_US (2 * INT64_C(1000000))
#define OUTPUT_MAX (256 * 1024)

struct unit {
    char id[160], active[32], enabled[32], result[32];
    long n_restarts;
};

/* One paragraph of `systemctl show`. */
static void read_unit(const char *text, size_t size, struct unit *ret)
{
    const struct {
        const char *name;
        char *value;
        size_t size;
    } fields[] = {
        { "Id=", ret->id, sizeof(ret->id) },
        { "ActiveState=", ret->active, sizeof(ret->active) },
        { "UnitFileState=", ret->enabled, sizeof(ret->enabled) },
        { "Result=", ret->result, sizeof(ret->result) },
    };
    *ret = (struct unit){ 0 };
    for (const char *line = text; line < text + size; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, "NRestarts=", 10) == 0)
            ret->n_restarts = strtol(line + 10, NULL, 10);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
            if (strncmp(line, fields[i].name, strlen(fields[i].name)) == 0) {
                const char *value = line + strlen(fields[i].name);
                snprintf(fields[i].value, fields[i].size, "%.*s", (int)strcspn(value, "\n"), value);
            }
    }
}

static void judge_unit(struct doctor *d, const struct unit *u)
{
    size_t before = doctor_mark(d);
    char cure[512];
    snprintf(cure, sizeof(cure), "journalctl -u %s; mend what it names; systemctl restart %s", u->id, u->id);
    if (strcmp(u->active, "failed") == 0)
        doctor_problem(d, u->id, "It does not run, and the service manager does not start it any more.", cure,
                       "failed (%s)", u->result[0] ? u->result : "?");
    else if (strcmp(u->active, "active") != 0 && strcmp(u->enabled, "enabled") == 0)
        doctor_problem(d, u->id, "It should run, and does not.",
                       doctor_format(d, "systemctl start %s", u->id), "enabled, but %s", u->active);
    else if (strcmp(u->active, "active") == 0 && strcmp(u->enabled, "disabled") == 0)
        doctor_warning(d, u->id, "It will not run after the next boot.",
                       doctor_format(d, "systemctl enable %s", u->id), "runs, but is not enabled");
    if (u->n_restarts > 0)
        doctor_warning(d, u->id, "It ended by itself, or did not give signs of life.", cure,
                       "the service manager had to start it anew %ld times%s", u->n_restarts,
                       strcmp(u->result, "watchdog") == 0 ? ", for want of signs of life" : "");
    if (doctor_is_content(d, before) && strcmp(u->active, "active") == 0)
        doctor_well(d, u->id, "active");
}

static void check_units(struct doctor *d)
{
    static const char *const argv[] = { "systemctl",
                                        "show",
                                        "--no-pager",
                                        "--property=Id,ActiveState,UnitFileState,Result,NRestarts",
                                        "jobbrokerd*.service",
                                        "jobworkerd*.service",
                                        "--all",
                                        NULL };
    _cleanup_buf_ struct buf out = { .max = OUTPUT_MAX };
    if (program_read(argv, TIMEOUT_US, &out) != 0 || !out.data)
        return; /* no service manager, or none that answers: nothing is expected of it */
    for (const char *at = out.data; *at;) {
        struct unit u;
        const char *end = strstr(at, "\n\n");
        size_t size = end ? (size_t)(end - at) : strlen(at);
        read_unit(at, size, &u);
        if (u.id[0])
            judge_unit(d, &u);
        at += size;
        at += strspn(at, "\n");
    }
}

const struct doctor_check doctor_units[] = {
    { "units", 0, check_units },
    { 0 },
};
