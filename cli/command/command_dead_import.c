/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl dead import: exported dead letters are put back.
 *
 * Lines are read, checked and stored in batches, each in one statement. When a line is wrong, or PostgreSQL refuses one, its batch is not stored; the
 * ones before it are, and the same file can be given again, because what is there is passed by. So an import that was interrupted or killed
 * goes on by being repeated.
 */
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/dialog.h"
#include "cli/dead/exported.h"
#include "cli/interrupt.h"
#include "cli/print/present.h"

#define BATCH_MAX 500
#define BATCH_BYTES (4 * 1024 * 1024)
#define LINE_MAX_BYTES (64 * 1024 * 1024)
#define NAMED_MAX 20 /* ids that are said */

struct importing {
    struct invocation *in;
    int fd;
    bool dry_run, at_end;
    struct buf text;        /* read, and not taken yet */
    int64_t line;           /* the last one that was taken */
    struct exported *batch; /* BATCH_MAX */
    int64_t lines[BATCH_MAX];
    size_t n, n_bytes;
    int64_t n_imported, n_there, n_living;
};

/* --- Lines --- */

static int read_more(struct importing *m, struct err *reterr)
{
    char chunk[65536];
    ssize_t n;
    while ((n = read(m->fd, chunk, sizeof(chunk))) < 0)
        if (errno != EINTR || interrupt_has_come())
            return errno == EINTR ? STATUS_DONE
                                  : err_set(reterr, STATUS_FAILED, "cannot read %s: %s",
                                            m->in->arguments.words[0], strerror(errno));
    m->at_end = n == 0;
    buf_append(&m->text, chunk, (size_t)n);
    return m->text.failed ? err_set(reterr, STATUS_FAILED, "out of memory") : STATUS_DONE;
}

/* The next line, valid until the next call; without data at the end, or when Ctrl-C has come. */
static int next_line(struct importing *m, size_t *taken, struct span *ret, struct err *reterr)
{
    size_t looked = 0;
    buf_consume(&m->text, *taken);
    *taken = 0;
    *ret = (struct span){ 0 };
    for (;;) {
        const char *end =
            looked < m->text.size ? memchr(m->text.data + looked, '\n', m->text.size - looked) : NULL;
        if (end || (m->at_end && m->text.size)) {
            size_t size = end ? (size_t)(end - m->text.data) : m->text.size;
            *ret = (struct span){ m->text.data, size };
            *taken = end ? size + 1 : size;
            m->line++;
            return STATUS_DONE;
        }
        if (m->at_end || interrupt_has_come())
            return STATUS_DONE;
        looked = m->text.size;
        if (looked > LINE_MAX_BYTES)
            return err_set(reterr, STATUS_USAGE, "line %" PRId64 ": more than %d bytes", m->line + 1,
                           LINE_MAX_BYTES);
        int r = read_more(m, reterr);
        if (r)
            return r;
    }
}

/* --- Batches --- */

static void forget_batch(struct importing *m)
{
    for (size_t i = 0; i < m->n; i++)
        exported_done(&m->batch[i]);
    m->n = m->n_bytes = 0;
}

static int64_t *counter(struct importing *m, const char *action)
{
    return strcmp(action, "imported") == 0 ? &m->n_imported
           : strcmp(action, "there") == 0  ? &m->n_there
                                           : &m->n_living;
}

static void count(struct importing *m, const struct rows *rows)
{
    char text[UUID_TEXT_SIZE];
    struct uuid id;
    for (size_t i = 0; i < rows_count(rows); i++) {
        int64_t *n = counter(m, rows_text(rows, i, 1));
        ++*n;
        if (n == &m->n_imported || *n > NAMED_MAX)
            continue;
        rows_uuid(rows, i, 0, &id);
        dialog_say(n == &m->n_there ? "%s is a dead letter here already"
                                    : "%s lives: it waits, runs, or has ended otherwise",
                   uuid_format(&id, text));
    }
    m->n_there += (int64_t)(m->n - rows_count(rows)); /* the same id twice in one batch */
}

/* Stores these in one transaction, or only looks whether they could be. Return: as db_query(). */
static int send(struct importing *m, const struct dead_record *records, size_t n, bool keep,
                struct rows **ret, struct err *reterr)
{
    int r = db_begin(m->in->db, reterr);
    if (r == 0)
        r = dead_import(m->in->db, records, n, ret, reterr);
    if (r == 0 && keep)
        return db_commit(m->in->db, reterr);
    db_rollback(m->in->db);
    return r;
}

static bool is_about_values(const struct importing *m)
{
    const char *state = db_refusal(m->in->db)->sqlstate;
    return strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 || strncmp(state, "54", 2) == 0;
}

/* Which line of a batch does PostgreSQL refuse? */
static int name_line(struct importing *m, const struct dead_record *records, struct err *reterr)
{
    for (size_t i = 0; i < m->n; i++) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        struct err why = { 0 };
        int r = send(m, &records[i], 1, false, &rows, &why);
        if (r == STORE_REFUSED && is_about_values(m))
            return err_set(reterr, STATUS_USAGE, "line %" PRId64 ": %.900s", m->lines[i], why.text);
        if (r)
            return invocation_judge_store(m->in, r, reterr);
    }
    return STATUS_FAILED; /* not one of them alone: what was said of all of them stays */
}

static int flush(struct importing *m, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct dead_record records[BATCH_MAX];
    if (m->n == 0)
        return STATUS_DONE;
    for (size_t i = 0; i < m->n; i++)
        records[i] = m->batch[i].record;
    int r = send(m, records, m->n, !m->dry_run, &rows, reterr);
    if (r == STORE_REFUSED && is_about_values(m))
        return name_line(m, records, reterr);
    if (r)
        return invocation_judge_store(m->in, r, reterr);
    count(m, rows);
    forget_batch(m);
    return STATUS_DONE;
}

static int add(struct importing *m, struct span line, struct err *reterr)
{
    struct err why = { 0 };
    if (line.size == strspn(line.size ? line.data : "", " \t\r") || line.size == 0)
        return STATUS_DONE; /* an empty line */
    struct exported *e = &m->batch[m->n];
    m->lines[m->n++] = m->line;
    m->n_bytes += line.size;
    int r = exported_read(e, line, &why);
    if (r)
        return r < 0 ? err_set(reterr, STATUS_FAILED, "out of memory")
                     : err_set(reterr, STATUS_USAGE, "line %" PRId64 ": %.900s", m->line, why.text);
    return m->n == BATCH_MAX || m->n_bytes >= BATCH_BYTES ? flush(m, reterr) : STATUS_DONE;
}

static int import_all(struct importing *m, struct err *reterr)
{
    size_t taken = 0;
    for (;;) {
        struct span line;
        int r = next_line(m, &taken, &line, reterr);
        if (r == STATUS_DONE && !line.data)
            r = flush(m, reterr);
        if (r == STATUS_DONE && interrupt_has_come())
            return err_set(reterr, STATUS_INTERRUPTED, "interrupted in line %" PRId64, m->line);
        if (r || !line.data)
            return r;
        r = add(m, line, reterr);
        if (r)
            return r;
    }
}

/* --- What is said --- */

static int print(const struct importing *m, struct err *reterr)
{
    static const struct output_column columns[] = { { "imported", CELL_INT },
                                                    { "there", CELL_INT },
                                                    { "living", CELL_INT } };
    struct cell cells[] = { cell_int(m->n_imported), cell_int(m->n_there), cell_int(m->n_living) };
    return present_one(m->in, columns, ARRAY_SIZE(columns), cells, reterr);
}

static void say_rest(int64_t n, const char *what)
{
    if (n > NAMED_MAX)
        dialog_say("and %" PRId64 " more that %s", n - NAMED_MAX, what);
}

static int finish(const struct importing *m, int r, struct err *reterr)
{
    say_rest(m->n_there, "are dead letters here already");
    say_rest(m->n_living, "live");
    struct err why = *reterr;
    if (r && !m->dry_run)
        err_set(reterr, r,
                "%.700s; %" PRId64 " letters have been imported, and the same file can be given again",
                why.text, m->n_imported);
    int printed = print(m, r ? &why : reterr);
    if (r || printed)
        return r ? r : printed;
    return m->n_living
               ? err_set(reterr, STATUS_FAILED, "jobs that live are left as they are: %" PRId64, m->n_living)
               : STATUS_DONE;
}

static int open_file(struct importing *m, struct err *reterr)
{
    const char *path = m->in->arguments.words[0];
    m->fd =
        strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    return m->fd < 0 ? err_set(reterr, STATUS_USAGE, "cannot read %s: %s", path, strerror(errno))
                     : STATUS_DONE;
}

int command_dead_import(struct invocation *in, struct err *reterr)
{
    struct importing m = { .in = in, .fd = -1, .dry_run = arguments_has(&in->arguments, "dry-run") };
    int r = open_file(&m, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r == STATUS_DONE && !(m.batch = calloc(BATCH_MAX, sizeof(*m.batch))))
        r = err_set(reterr, STATUS_FAILED, "out of memory");
    if (m.batch) {
        interrupt_begin();
        r = finish(&m, import_all(&m, reterr), reterr);
        interrupt_end();
        forget_batch(&m);
        free(m.batch);
    }
    buf_done(&m.text);
    close_cleanup(&m.fd);
    return r;
}
