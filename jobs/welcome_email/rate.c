/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_SLOTS 4096 /* 96 KiB */
#define N_PROBES 8
#define TOKENS_MAX 1000000
#define DEMAND_MAX 100 /* tokens, of one mail */
#define S_NS INT64_C(1000000000)
#define WAIT_MAX_NS (15 * 60 * S_NS) /* and no queue of those who wait is longer */

struct slot {
    uint64_t hash;     /* of the domain; 0: nobody's yet */
    int64_t full_ns;   /* when the bucket will be full */
    int64_t return_ns; /* when the last one that waits was told to come back */
};

/* --- Rules ---------------------------------------------------------------------------------------------- */

static bool parse_count(const char **at, int64_t *ret)
{
    char *end;
    if (**at < '1' || **at > '9')
        return false;
    errno = 0;
    long value = strtol(*at, &end, 10);
    if (errno || value > TOKENS_MAX)
        return false;
    *at = end;
    *ret = value;
    return true;
}

static bool parse_unit(const char **at, int64_t *ret_ns)
{
    int64_t unit_s = **at == 's' ? 1 : **at == 'm' ? 60 : **at == 'h' ? 3600 : 0;
    *ret_ns = unit_s * S_NS;
    *at += unit_s > 0;
    return unit_s > 0;
}

/* @text: "domain=N/unit[:burst]" up to a blank, a comma or the end. NULL: is none. */
static const char *parse_rule(const char *text, struct rate_rule *ret)
{
    int64_t unit_ns;
    size_t size = strcspn(text, "= ,\t");
    const char *at = text + size + 1;
    if (text[size] != '=' || size == 0 || size >= sizeof(ret->domain))
        return NULL;
    for (size_t i = 0; i <= size; i++)
        ret->domain[i] = i < size ? (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) : 0;
    if (!parse_count(&at, &ret->burst) || *at++ != '/' || !parse_unit(&at, &unit_ns))
        return NULL;
    ret->interval_ns = unit_ns / ret->burst;
    if (*at == ':' && (at++, !parse_count(&at, &ret->burst)))
        return NULL;
    return !*at || strchr(" ,\t", *at) ? at : NULL;
}

const char *rate_parse(const char *text, struct rate_rules *ret)
{
    ret->n_rows = 0;
    for (;;) {
        text += strspn(text, " ,\t");
        if (!*text)
            return NULL;
        const char *end = ret->n_rows < RATE_RULES_MAX ? parse_rule(text, &ret->rows[ret->n_rows]) : NULL;
        if (!end)
            return text;
        ret->n_rows++;
        text = end;
    }
}

const struct rate_rule *rate_find(const struct rate_rules *rules, const char *domain)
{
    const struct rate_rule *any = NULL;
    for (size_t i = 0; i < rules->n_rows; i++) {
        if (strcasecmp(rules->rows[i].domain, domain) == 0)
            return &rules->rows[i];
        if (strcmp(rules->rows[i].domain, "*") == 0)
            any = &rules->rows[i];
    }
    return any;
}

/* --- The file ------------------------------------------------------------------------------------------- */

/* Nobody else's: in a folder for all, another user could have put it there. */
static int open_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = 0;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        r = -EPERM;
    else if (flock(fd, LOCK_EX) < 0)
        r = -errno;
    else if (st.st_size < (off_t)sizeof(struct slot) * N_SLOTS &&
             posix_fallocate(fd, 0, (off_t)sizeof(struct slot) * N_SLOTS) != 0)
        r = -ENOSPC; /* not found out by SIGBUS */
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* FNV-1a; never 0. */
static uint64_t hash_domain(const char *domain)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *domain; domain++)
        hash = (hash ^ (uint8_t)(*domain >= 'A' && *domain <= 'Z' ? *domain + 32 : *domain)) * 0x100000001b3;
    return hash ? hash : 1;
}

/* The domain's slot; else one whose bucket is full, which is as good as new; else one to share. */
static struct slot *find_slot(struct slot *slots, const char *domain, int64_t now_ns)
{
    uint64_t hash = hash_domain(domain);
    struct slot *idle = NULL;
    for (size_t i = 0; i < N_PROBES; i++) {
        struct slot *slot = &slots[(hash + i) % N_SLOTS];
        if (slot->hash == hash)
            return slot;
        if (!idle && slot->full_ns <= now_ns)
            idle = slot;
    }
    if (!idle)
        return &slots[hash % N_SLOTS];
    *idle = (struct slot){ .hash = hash };
    return idle;
}

/* --- Tokens --------------------------------------------------------------------------------------------- */

/* A time that this rule cannot have made is from before a restart, or of another rule. */
static int64_t full_at(const struct slot *slot, const struct rate_rule *rule, int64_t now_ns)
{
    int64_t most = rule->burst > DEMAND_MAX ? rule->burst : DEMAND_MAX;
    int64_t latest_ns = now_ns + most * rule->interval_ns;
    return slot->full_ns < now_ns ? now_ns : slot->full_ns > latest_ns ? now_ns : slot->full_ns;
}

/* How long until @demand can be granted. */
static int64_t missing_ns(const struct slot *slot, const struct rate_demand *demand, int64_t now_ns)
{
    int64_t spare = demand->rule->burst - demand->n_tokens;
    int64_t room_ns = (spare > 0 ? spare : 0) * demand->rule->interval_ns;
    int64_t ahead_ns = full_at(slot, demand->rule, now_ns) - now_ns;
    return ahead_ns > room_ns ? ahead_ns - room_ns : 0;
}

/* When to come back: behind those who were told so before. */
static int64_t queue_up(struct slot *slot, const struct rate_demand *demand, int64_t now_ns, int64_t wait_ns)
{
    int64_t return_ns = slot->return_ns + demand->n_tokens * demand->rule->interval_ns;
    if (return_ns < now_ns + wait_ns || return_ns > now_ns + WAIT_MAX_NS)
        return_ns = now_ns + wait_ns;
    slot->return_ns = return_ns;
    return return_ns - now_ns < WAIT_MAX_NS ? return_ns - now_ns : WAIT_MAX_NS;
}

static int64_t take(struct slot *slots, const struct rate_demand *demands, size_t n_demands, int64_t now_ns)
{
    int64_t longest_ns = 0;
    for (size_t i = 0; i < n_demands; i++) {
        struct slot *slot = find_slot(slots, demands[i].domain, now_ns);
        int64_t wait_ns = missing_ns(slot, &demands[i], now_ns);
        if (wait_ns > 0)
            wait_ns = queue_up(slot, &demands[i], now_ns, wait_ns);
        longest_ns = wait_ns > longest_ns ? wait_ns : longest_ns;
    }
    for (size_t i = 0; i < n_demands && longest_ns == 0; i++) {
        struct slot *slot = find_slot(slots, demands[i].domain, now_ns);
        slot->full_ns =
            full_at(slot, demands[i].rule, now_ns) + demands[i].n_tokens * demands[i].rule->interval_ns;
    }
    return longest_ns;
}

int rate_take(const char *path, const struct rate_demand *demands, size_t n_demands, int64_t now_ns,
              int64_t *ret_wait_ns)
{
    const size_t size = sizeof(struct slot) * N_SLOTS;
    int fd = open_file(path);
    if (fd < 0)
        return fd;
    struct slot *slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int r = slots == MAP_FAILED ? -errno : 0;
    if (r == 0) {
        *ret_wait_ns = take(slots, demands, n_demands, now_ns);
        munmap(slots, size);
    }
    close(fd); /* and with it the lock */
    return r;
}
