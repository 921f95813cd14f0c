/* SPDX-License-Identifier: Apache-2.0 */
/* A Kafka or PostgreSQL that one test has for itself. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/harness_site.h"

struct site_servers {
    char which[16];
    char folder[48];
    char address[256];
    struct keeper keeper;
};

static int run(const struct site_servers *v, const char *verb)
{
    char command[1024];
    snprintf(command, sizeof(command), "'%s' %s '%s' %s >&2", getenv("JOB_TEST_SERVICES"), verb, v->folder,
             v->which);
    return system(command);
}

/* The data may lie elsewhere: behind a link, where PostgreSQL's user can reach it. */
static void remove_all(const struct site_servers *v)
{
    char link[128], target[SITE_PATH_SIZE];
    snprintf(link, sizeof(link), "%s/%s", v->folder, v->which);
    struct stat st;
    if (lstat(link, &st) == 0 && S_ISLNK(st.st_mode) && realpath(link, target))
        site_remove_folder(target);
    site_remove_folder(v->folder);
}

/* In the keeper. */
static void clear(const void *userdata)
{
    const struct site_servers *v = userdata;
    run(v, "kill");
    remove_all(v);
}

/* The first word of <folder>/<which>.<suffix>. */
static void read_word(const struct site_servers *v, const char *suffix, char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s.%s", v->folder, v->which, suffix);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(text, (int)size, file))
        site_fail("%s: %s", path, strerror(errno));
    fclose(file);
    text[strcspn(text, " \n")] = 0;
}

struct site_servers *site_servers_start(const char *which)
{
    bool kafka = strcmp(which, "kafka") == 0;
    struct site_servers *v = calloc(1, sizeof(*v));
    if (!v || !getenv("JOB_TEST_SERVICES"))
        site_fail("JOB_TEST_SERVICES is not set: run it through ./dev test");
    snprintf(v->which, sizeof(v->which), "%s", which);
    snprintf(v->folder, sizeof(v->folder), "/tmp/job-test-servers-XXXXXX");
    if (!mkdtemp(v->folder) || chmod(v->folder, 0755)) /* PostgreSQL runs as another user when we are root */
        site_fail("%s: %s", v->folder, strerror(errno));
    keeper_start(&v->keeper, clear, v);
    site_servers_run(v, "start");
    read_word(v, kafka ? "address" : "url", v->address, sizeof(v->address));
    if (!kafka)
        setenv("JOB_TEST_DATABASE_URL", v->address, 1);
    return v;
}

const char *site_servers_address(const struct site_servers *v)
{
    return v->address;
}

void site_servers_run(struct site_servers *v, const char *verb)
{
    if (run(v, verb))
        site_fail("%s: %s failed", v->which, verb);
}

void site_servers_signal(struct site_servers *v, int signal)
{
    char pid[64];
    read_word(v, "pid", pid, sizeof(pid));
    if (kill(atoi(pid), signal))
        site_fail("%s: %s", v->which, strerror(errno));
}

struct site_servers *site_servers_free(struct site_servers *v)
{
    if (!v)
        return NULL;
    run(v, "stop");
    remove_all(v);
    keeper_dismiss(&v->keeper);
    free(v);
    return NULL;
}
