/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *program;
    bool journal;
    _Atomic int level;
} sink = { .program = "libjob", .level = LOG_LEVEL_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const int level_priorities[] = { 3, 4, 6, 7 }; /* syslog's, as journald reads them */

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    uintmax_t device, inode;

    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *program, enum log_level level)
{
    sink.program = program;
    sink.journal = stderr_is_journal();
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&sink.level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

int log_level_parse(const char *name, enum log_level *ret)
{
    for (int i = 0; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return 1;
}

static int line_start(char *line, size_t size, enum log_level level)
{
    if (sink.journal)
        return snprintf(line, size, "<%d>", level_priorities[level]);
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    return snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s: ", tm.tm_year + 1900,
                    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000,
                    sink.program, level_names[level]);
}

void log_write(enum log_level level, const char *format, ...)
{
    char text[2048], line[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    size_t at = (size_t)line_start(line, sizeof(line), level);
    for (const char *c = text; *c && at < sizeof(line) - 6; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            at += (size_t)snprintf(line + at, sizeof(line) - at, "\\x%02x", (unsigned char)*c);
        else
            line[at++] = *c;
    }
    line[at++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, at);
    (void)written; /* a reader that is gone must not stop a job */
}
