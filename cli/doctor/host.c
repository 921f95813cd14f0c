/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of this host: what daemons find here when they run here. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/zone.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/files.h"

#define ZONE_PROBE "Europe/Berlin"

static void check_zones(struct doctor *d)
{
    struct err err = { 0 };
    _cleanup_(zone_free_cleanup) struct zone *zone = NULL;
    static const char meaning[] = "Cron entries with a time zone do not tick by a broker on this host.";
    static const char cure[] = "apt install tzdata; or set TZDIR";
    int r = zone_load(&zone, ZONE_PROBE, &err);
    if (r)
        doctor_warning(d, NULL, meaning, cure, "%s", err.text);
    for (size_t i = 0; r == 0 && i < d->in->config->n_cron; i++) {
        const struct config_cron *entry = &d->in->config->cron[i];
        zone = zone_free(zone);
        if (entry->zone && zone_load(&zone, entry->zone, &err))
            doctor_problem(d, entry->name, meaning, cure, "%s", err.text);
    }
    if (r == 0)
        doctor_well(d, NULL, "the time zone database is there");
}

/* --- Limits of executors --- */

static bool wants_cgroup(const struct config_limits *limits)
{
    return limits->memory_bytes || limits->processes || limits->cpu_weight;
}

static void check_cgroups(struct doctor *d)
{
    char text[256] = "";
    if (!wants_cgroup(&d->in->config->worker.limits))
        return;
    FILE *file = fopen("/sys/fs/cgroup/cgroup.controllers", "re");
    if (file) {
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
    }
    if (strstr(text, "memory") && strstr(text, "pids") && strstr(text, "cpu"))
        doctor_well(d, NULL, "control groups (v2) have memory, pids and cpu");
    else
        doctor_warning(
            d, NULL, "Limits of workers on this host hold for each process, not for all that a job starts.",
            "boot with control groups v2 (systemd.unified_cgroup_hierarchy=1), and delegate one to the worker (docs/systemd.md)",
            "worker.limits is set, and this host has no control groups (v2) with memory, pids and cpu");
}

/* --- Open files --- */

/* Per executor its sockets and pipes, per HTTP request its own; what the servers need is in the rest. */
static uint64_t count_needed_files(const struct config_worker *w)
{
    return 128 + 8 * (uint64_t)w->executors_max + 2 * (uint64_t)w->http_max;
}

static void check_process(struct doctor *d, const char *worker, int pid, uint64_t needed)
{
    struct rlimit limit;
    if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) != 0 || limit.rlim_cur >= needed)
        return;
    doctor_warning(d, worker, "Executors cannot be started, or connections not opened, when all are busy.",
                   doctor_format(d, "systemctl edit the unit: LimitNOFILE=%llu", (unsigned long long)needed),
                   "it may have %llu open files, and may need %llu", (unsigned long long)limit.rlim_cur,
                   (unsigned long long)needed);
}

static bool is_worker(int pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool same = fgets(name, sizeof(name), file) && strncmp(name, "jobworkerd", 10) == 0;
    fclose(file);
    return same;
}

void doctor_check_files(struct doctor *d, const char *worker, const char *host, int pid)
{
    char here[65] = "";
    gethostname(here, sizeof(here) - 1);
    if (strcmp(host, here) == 0 && is_worker(pid))
        check_process(d, worker, pid, count_needed_files(&d->in->config->worker));
}

const struct doctor_check doctor_host[] = {
    { "time zones", 0, check_zones },
    { "control groups", 0, check_cgroups },
    { 0 },
};
