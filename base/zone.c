/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file has its data twice: for readers of 32-bit times, then for those of 64-bit times. The second part is read if there is
 * one. Changes that leave the offset as it is (only the name of it, or whether it counts as summer time) are dropped.
 */
#include "base/zone.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/civil.h"
#include "base/suggest.h"
#include "base/zone_rule.h"

#define DIRECTORY "/usr/share/zoneinfo"
#define FILE_MAX_BYTES (256 * 1024)
#define HEADER_SIZE 44
#define CHANGES_MAX 20000
#define OFFSET_MAX_S (26 * 3600)
#define DEPTH_MAX 3 /* America/Argentina/Ushuaia */

struct change {
    int64_t at;
    int offset_s; /* from then on */
};

struct zone {
    struct change *changes; /* ascending; neighbours differ */
    size_t n;
    int first_offset_s;
    bool has_rule;
    struct zone_rule rule;
    int64_t rule_from; /* where the list ends and the rule begins */
};

/* --- A file's bytes ------------------------------------------------------------------------------------------------------ */

struct layout {
    const uint8_t *data, *end;
    char version;
    uint32_t n_utc, n_standard, n_leaps, n_changes, n_types, n_letters;
    size_t time_size; /* 4 or 8 */
};

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static int64_t get_time(const uint8_t *at, size_t size)
{
    uint64_t value;
    if (size == 4)
        return (int32_t)get_u32(at);
    memcpy(&value, at, sizeof(value));
    return (int64_t)be64toh(value);
}

static size_t data_size(const struct layout *l)
{
    return (size_t)l->n_changes * (l->time_size + 1) + (size_t)l->n_types * 6 + l->n_letters +
           (size_t)l->n_leaps * (l->time_size + 4) + l->n_standard + l->n_utc;
}

/* Return: false: no header with data of its size behind it. */
static bool read_header(struct layout *l, const uint8_t *at, const uint8_t *end, size_t time_size)
{
    uint32_t *const counts[] = { &l->n_utc,     &l->n_standard, &l->n_leaps,
                                 &l->n_changes, &l->n_types,    &l->n_letters };
    if (end - at < HEADER_SIZE || memcmp(at, "TZif", 4) != 0)
        return false;
    l->version = (char)at[4];
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        *counts[i] = get_u32(at + 20 + 4 * i);
        if (*counts[i] > CHANGES_MAX)
            return false;
    }
    l->time_size = time_size;
    l->data = at + HEADER_SIZE;
    l->end = end;
    return l->n_types >= 1 && (size_t)(end - l->data) >= data_size(l);
}

static bool read_offset(const struct layout *l, uint8_t type, int *ret_s)
{
    if (type >= l->n_types)
        return false;
    *ret_s = (int32_t)get_u32(l->data + l->n_changes * (l->time_size + 1) + type * 6);
    return *ret_s >= -OFFSET_MAX_S && *ret_s <= OFFSET_MAX_S;
}

static bool read_changes(struct zone *zone, const struct layout *l)
{
    int offset_s, last_s;
    int64_t before = INT64_MIN;
    if (!read_offset(l, 0, &zone->first_offset_s))
        return false;
    last_s = zone->first_offset_s;
    zone->rule_from = INT64_MIN;
    for (uint32_t i = 0; i < l->n_changes; i++) {
        int64_t at = get_time(l->data + i * l->time_size, l->time_size);
        if ((i && at <= before) || !read_offset(l, l->data[l->n_changes * l->time_size + i], &offset_s))
            return false;
        before = zone->rule_from = at;
        if (offset_s == last_s)
            continue;
        zone->changes[zone->n++] = (struct change){ at, offset_s };
        last_s = offset_s;
    }
    return true;
}

/* "\n<rule>\n" behind the data, only where times have 64 bits. An empty one is no rule: the last offset stays. */
static bool read_rule(struct zone *zone, const struct layout *l)
{
    const char *at = (const char *)l->data + data_size(l);
    size_t left = (size_t)((const char *)l->end - at);
    if (l->time_size == 4)
        return true;
    const char *newline = left && *at == '\n' ? memchr(at + 1, '\n', left - 1) : NULL;
    if (!newline)
        return false;
    zone->has_rule = newline > at + 1;
    return !zone->has_rule || zone_rule_parse(&zone->rule, at + 1, (size_t)(newline - at - 1)) == 0;
}

static bool read_layout(struct layout *l, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    if (!read_header(l, data, end, 4))
        return false;
    return l->version == 0 || read_header(l, l->data + data_size(l), end, 8);
}

int zone_load_bytes(struct zone **ret, const void *data, size_t size, struct err *reterr)
{
    struct layout l = { 0 };
    if (!read_layout(&l, data, size))
        return err_set(reterr, ZONE_UNKNOWN, "it is no file of the zone database");
    if (l.n_leaps)
        return err_set(reterr, ZONE_UNKNOWN, "it counts leap seconds, which no other clock here does");
    _cleanup_(zone_free_cleanup) struct zone *zone = calloc(1, sizeof(*zone));
    if (!zone || !(zone->changes = calloc(l.n_changes + 1, sizeof(*zone->changes))))
        return -ENOMEM;
    if (!read_changes(zone, &l) || !read_rule(zone, &l))
        return err_set(reterr, ZONE_UNKNOWN, "it is damaged");
    *ret = steal(zone);
    return 0;
}

struct zone *zone_free(struct zone *zone)
{
    if (!zone)
        return NULL;
    free(zone->changes);
    free(zone);
    return NULL;
}

/* --- Finding a file ------------------------------------------------------------------------------------------------------ */

static const char *find_directory(void)
{
    const char *directory = getenv("TZDIR");
    return directory && *directory ? directory : DIRECTORY;
}

/* Without dots nothing leads out of the directory. What differs from host to host is no zone. */
static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    size_t size = strlen(name);
    return size >= 1 && size <= ZONE_NAME_MAX && strspn(name, letters) == size && name[0] != '/' &&
           name[size - 1] != '/' && !strstr(name, "//") && strcmp(name, "localtime") != 0 &&
           strcmp(name, "posixrules") != 0;
}

static void suggest_from(struct suggest *near, char best[ZONE_NAME_MAX + 1], const char *inside, int depth)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", find_directory(), inside);
    DIR *directory = opendir(path);
    /* cppcheck-suppress readdirCalled */
    for (struct dirent *e; directory && (e = readdir(directory));) {
        char name[ZONE_NAME_MAX + 1];
        if (snprintf(name, sizeof(name), "%s%s%s", inside, *inside ? "/" : "", e->d_name) >=
                (int)sizeof(name) ||
            !is_name(name))
            continue;
        if (e->d_type == DT_DIR) {
            if (depth < DEPTH_MAX && strcmp(name, "right") != 0 && strcmp(name, "posix") != 0)
                suggest_from(near, best, name, depth + 1);
            continue;
        }
        suggest_consider(near, name);
        if (near->nearest == name)
            near->nearest = strcpy(best, name);
    }
    if (directory)
        closedir(directory);
}

static int refuse_unknown(const char *name, struct err *reterr)
{
    char best[ZONE_NAME_MAX + 1] = "";
    struct suggest near = { .word = name };
    if (strlen(name) <= ZONE_NAME_MAX)
        suggest_from(&near, best, "", 1);
    if (*best && suggest_is_close(&near))
        return err_set(reterr, ZONE_UNKNOWN, "there is no time zone \"%s\"; did you mean \"%s\"?", name,
                       best);
    return err_set(reterr, ZONE_UNKNOWN,
                   "there is no time zone \"%.100s\"; expected a name like \"UTC\" or \"Europe/Berlin\"",
                   name);
}

static int load_utc(struct zone **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

/* Return: the file; -1: there is none of that name. */
static int open_file(const char *name)
{
    char path[512];
    struct stat st;
    if (snprintf(path, sizeof(path), "%s/%s", find_directory(), name) >= (int)sizeof(path))
        return -1;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    return steal_fd(&fd);
}

static int read_file(int fd, struct buf *to)
{
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_append(to, chunk, (size_t)n);
    return n < 0 || to->failed;
}

int zone_load(struct zone **ret, const char *name, struct err *reterr)
{
    _cleanup_buf_ struct buf bytes = { .max = FILE_MAX_BYTES };
    if (strcmp(name, "UTC") == 0)
        return load_utc(ret);
    if (!is_name(name))
        return refuse_unknown(name, reterr);
    if (access(find_directory(), R_OK | X_OK) < 0)
        return err_set(reterr, ZONE_NO_DATABASE,
                       "%s: %s: the zone database is not installed (package tzdata); only UTC is known",
                       find_directory(), strerror(errno));
    _cleanup_close_ int fd = open_file(name);
    if (fd < 0)
        return refuse_unknown(name, reterr);
    int r = read_file(fd, &bytes) ? err_set(reterr, ZONE_UNKNOWN, "it cannot be read")
                                  : zone_load_bytes(ret, bytes.data ? bytes.data : "", bytes.size, reterr);
    return r > 0 ? err_prefix(reterr, r, "time zone \"%s\": %s/%s", name, find_directory(), name) : r;
}

/* --- Looking up ---------------------------------------------------------------------------------------------------------- */

static void find_listed(const struct zone *zone, int64_t t, struct zone_span *ret)
{
    size_t low = 0, high = zone->n; /* the number of changes at or before t */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at <= t)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = (struct zone_span){
        .from = low ? zone->changes[low - 1].at : INT64_MIN,
        .until = low < zone->n ? zone->changes[low].at : INT64_MAX,
        .offset_s = low ? zone->changes[low - 1].offset_s : zone->first_offset_s,
    };
}

/* The rule and the list each know one side of where they meet. */
void zone_find(const struct zone *zone, int64_t t, struct zone_span *ret)
{
    struct zone_span other;
    if (!zone->has_rule || t < zone->rule_from) {
        find_listed(zone, t, ret);
        if (!zone->has_rule || ret->until != INT64_MAX)
            return;
        zone_rule_find(&zone->rule, zone->rule_from, &other);
        ret->until = other.offset_s == ret->offset_s ? other.until : zone->rule_from;
        return;
    }
    zone_rule_find(&zone->rule, t, ret);
    if (ret->from > zone->rule_from)
        return;
    find_listed(zone, zone->rule_from, &other);
    ret->from =
        other.offset_s == ret->offset_s || other.from == zone->rule_from ? other.from : zone->rule_from;
}
