/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration as a table: one row per option, from which reading, checking and documentation follow.
 *
 * option_file_read() turns a libconfig file into a tree, option_fill() copies the tree into a struct along an
 * option_table and owns every check that a row can express; what concerns several rows is checked by the caller, who
 * refuses with option_refuse() and so names the same file, line and key as the engine does. Every refusal reads
 * "<file>:<line>: <key>: <expected>, found <found>"; values of rows with OPTION_SECRET are never printed.
 *
 * Not here: environment variables, the command line, and what the options mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf;

#define OPTION_FILE_MAX (1024 * 1024) /* bytes, of the file and of each @include'd one */
#define OPTION_SECRET_MAX (64 * 1024) /* bytes, of a *_file */
#define OPTION_LENGTH_MAX 4096        /* bytes, of a string whose row says no max */

enum option_outcome {
    OPTION_INVALID = 1, /* the text says where, what was expected, what was found */
    OPTION_MISSING = 2, /* there is no such file */
};

enum option_type {                  /* the field:    in the file: */
                   OPTION_STRING,   /* char *        "…" */
                   OPTION_INT,      /* int           42 */
                   OPTION_REAL,     /* double        2.5 or 2 */
                   OPTION_BOOL,     /* bool          true */
                   OPTION_DURATION, /* int64_t, µs   "1m30s" */
                   OPTION_SIZE,     /* int64_t       "64 MiB", or bytes as a number */
                   OPTION_ENUM,     /* int, an index into names */
                   OPTION_STRINGS, /* char **, and size_t at count_offset: ( "…", "…" ) or [ "…", "…" ] */
                   OPTION_GROUP,  /* a struct in place: { … } */
                   OPTION_GROUPS, /* pointer to structs, and size_t at count_offset: ( { … }, { … } ) */
};

enum option_flag {
    OPTION_REQUIRED = 1,   /* must stand in the file */
    OPTION_RELOADABLE = 2, /* SIGHUP is enough; on GROUPS it covers everything inside */
    OPTION_SECRET = 4,     /* never printed; "<key>_file" names a file with the value instead */
};

struct option_row {
    const char *key;
    enum option_type type;
    size_t offset;       /* of the field */
    size_t count_offset; /* STRINGS, GROUPS: of the size_t with the number of elements */
    /* SECRET: 0, or of a char *. A "<key>_file" that cannot be read is no error then: the value is absent, and the reason stands there,
     * for those who need the value. */
    size_t why_offset;
    /* Both ends included. INT, REAL: the value; DURATION: µs; SIZE: bytes; STRING: length in bytes (max 0:
     * OPTION_LENGTH_MAX); STRINGS, GROUPS: number of elements (max 0: 10,000). */
    int64_t min, max;
    unsigned flags;
    const char *preset;       /* the default, written as in the file but without quotes; NULL: zero or NULL */
    const char *preset_help;  /* what the documentation says instead, for a default that is computed later */
    const char *const *names; /* ENUM: NULL-terminated */
    const struct option_table *table; /* GROUP, GROUPS */
    /* STRING, STRINGS, ENUM: NULL, or what was expected ("expected …"); goes in front of ", found …". */
    const char *(*check)(const char *text);
    const char *help; /* one sentence without full stop */
};

struct option_table {
    const struct option_row *rows;
    size_t n_rows;
    size_t size; /* of the struct that the rows fill */
};

#define OPTION_TABLE(type, rows_)                                                                            \
    {                                                                                                        \
        .rows = (rows_), .n_rows = sizeof(rows_) / sizeof((rows_)[0]), .size = sizeof(type)                  \
    }

struct option_file;

/*
 * Reads @path. @include "x" is looked for beside @path. Return: 0; OPTION_MISSING; OPTION_INVALID (also: not
 * readable); negative errno.
 */
int option_file_read(struct option_file **ret, const char *path, struct err *reterr);

/* The same from memory; @name stands for the path in messages and gives the directory. */
int option_file_read_text(struct option_file **ret, const char *name, const char *text, size_t size,
                          struct err *reterr);
struct option_file *option_file_free(struct option_file *file);

/* Directory part of the path: what relative names in the file are relative to. Borrowed. */
const char *option_file_directory(const struct option_file *file);

/**
 * option_fill() - fill a struct from a file
 * @file:   NULL: defaults only
 * @target: zeroed struct of table->size bytes
 *
 * Strings and lists are on the heap and belong to @target until option_done(), also after a failure.
 *
 * Return: 0; OPTION_INVALID; negative errno.
 */
int option_fill(const struct option_file *file, const struct option_table *table, void *target,
                struct err *reterr);

/* Frees what option_fill() put into @target, not @target; leaves it zeroed. */
void option_done(const struct option_table *table, void *target);

/**
 * option_refuse() - name the place of a value that is wrong together with others
 * @file: NULL: the message starts with the key
 * @key:  "worker.executors_min", "handlers[2].queue"; when the file does not have it, the nearest group's line is named
 *
 * Return: OPTION_INVALID.
 */
int option_refuse(const struct option_file *file, struct err *reterr, const char *key, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

/* Appends ", "-separated keys that differ and are not reloadable. Return: how many. */
size_t option_list_fixed_changes(const struct option_table *table, const void *a, const void *b,
                                 struct buf *keys);

/*
 * Exchanges the reloadable values of two structs of one table; each struct owns afterwards what it has. Elements of a list that is
 * not reloadable are exchanged in their reloadable values, if the two lists do not differ otherwise.
 */
void option_swap_reloadable(const struct option_table *table, void *a, void *b);

/* The reference: one Markdown table per group. */
void option_print_markdown(const struct option_table *table, struct buf *out);
/* The same as plain text, for a man page or --help. */
void option_print_text(const struct option_table *table, struct buf *out);

/*
 * The values of @target, one "key = value" on a line. Those of rows with OPTION_SECRET are hidden, and those of which @hide says so ("cron[2].payload").
 */
typedef bool (*option_hide_fn)(const char *key);
void option_print_values(const struct option_table *table, const void *target, option_hide_fn hide,
                         struct buf *out);
