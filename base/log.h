/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on standard error: "<time> <level> <text>".
 *
 * Under journald (JOURNAL_STREAM names our stderr) the time is left out and the level is the "<n>" prefix that
 * journald understands. Control characters in the text are escaped, so one event is always one line.
 * Thread-safe: a line is one write().
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Call once, before threads: names the program in each line and picks the format. */
void log_init(const char *program, enum log_level level);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* "error", "warning", "info", "debug". Return: 0; 1 when the name is none of these. */
int log_level_parse(const char *name, enum log_level *ret);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_at_(level, ...)                                                                                  \
    do {                                                                                                     \
        if (log_enabled(level))                                                                              \
            log_write(level, __VA_ARGS__);                                                                   \
    } while (0)
#define log_error(...) log_at_(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at_(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at_(LOG_LEVEL_DEBUG, __VA_ARGS__)
