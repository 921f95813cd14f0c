/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/terminal.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

#include "base/buf.h"
#include "base/clock.h"

#define LOOK_EVERY_MS 20

struct terminal {
    int fd;
    pid_t pid;
    bool has_ended; /* nobody has the other side open any more */
    bool is_reaped;
    int status;
    bool is_full_screen;
    int n_rows, n_columns;
    VTerm *vterm;
    VTermScreen *screen;
    struct buf bytes, text;
};

static int on_property(VTermProp property, VTermValue *value, void *userdata)
{
    struct terminal *t = userdata;
    if (property == VTERM_PROP_ALTSCREEN)
        t->is_full_screen = value->boolean;
    return 1;
}

/* What the terminal itself answers, such as where its cursor is. */
static void on_answer(const char *bytes, size_t size, void *userdata)
{
    struct terminal *t = userdata;
    if (write(t->fd, bytes, size) < 0)
        t->has_ended = true;
}

static void make_screen(struct terminal *t)
{
    static const VTermScreenCallbacks callbacks = { .settermprop = on_property };
    t->vterm = vterm_new(t->n_rows, t->n_columns);
    ck_assert_ptr_nonnull(t->vterm);
    vterm_set_utf8(t->vterm, 1);
    vterm_output_set_callback(t->vterm, on_answer, t);
    t->screen = vterm_obtain_screen(t->vterm);
    vterm_screen_set_callbacks(t->screen, &callbacks, t);
    vterm_screen_enable_altscreen(t->screen, 1);
    vterm_screen_reset(t->screen, 1);
}

struct terminal *terminal_start(const char *const *argv, int n_rows, int n_columns)
{
    struct winsize size = { .ws_row = (unsigned short)n_rows, .ws_col = (unsigned short)n_columns };
    struct terminal *t = calloc(1, sizeof(*t));
    ck_assert_ptr_nonnull(t);
    t->n_rows = n_rows;
    t->n_columns = n_columns;
    make_screen(t);
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    ck_assert_int_ge(t->pid, 0);
    if (t->pid == 0) {
        setenv("TERM", "xterm-256color", 1);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return t;
}

/* --- Reading --- */

/* What has come within @wait_ms. A pseudo-terminal whose other side is closed says EIO. */
static void read_some(struct terminal *t, int wait_ms)
{
    char chunk[4096];
    struct pollfd fd = { .fd = t->fd, .events = POLLIN };
    if (t->has_ended || poll(&fd, 1, wait_ms) <= 0)
        return;
    ssize_t n = read(t->fd, chunk, sizeof(chunk));
    if (n <= 0) {
        t->has_ended = n == 0 || errno != EINTR;
        return;
    }
    buf_append(&t->bytes, chunk, (size_t)n);
    vterm_input_write(t->vterm, chunk, (size_t)n);
}

static void append_row(struct terminal *t, int row)
{
    char text[4096];
    VTermRect rect = { .start_row = row, .end_row = row + 1, .start_col = 0, .end_col = t->n_columns };
    size_t size = vterm_screen_get_text(t->screen, text, sizeof(text), rect);
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\n'))
        size--;
    buf_append(&t->text, text, size);
    buf_append_char(&t->text, '\n');
}

const char *terminal_screen(struct terminal *t)
{
    vterm_screen_flush_damage(t->screen);
    buf_reset(&t->text);
    for (int row = 0; row < t->n_rows; row++)
        append_row(t, row);
    return t->text.data;
}

static void await(struct terminal *t, double deadline_s, const char *text, bool there)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)(deadline_s * (double)USEC_PER_SEC);
    for (;;) {
        read_some(t, LOOK_EVERY_MS);
        if ((strstr(terminal_screen(t), text) != NULL) == there)
            return;
        ck_assert_msg(!t->has_ended, "the program ended before \"%s\" %s:\n%s", text,
                      there ? "was there" : "was gone", t->text.data);
        ck_assert_msg(clock_mono_us() < deadline_us, "after %g s \"%s\" is %s:\n%s", deadline_s, text,
                      there ? "not there" : "still there", t->text.data);
    }
}

void terminal_await(struct terminal *t, double deadline_s, const char *text)
{
    await(t, deadline_s, text, true);
}

void terminal_await_gone(struct terminal *t, double deadline_s, const char *text)
{
    await(t, deadline_s, text, false);
}

int terminal_await_exit(struct terminal *t, double deadline_s)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)(deadline_s * (double)USEC_PER_SEC);
    while (!t->is_reaped) {
        read_some(t, LOOK_EVERY_MS);
        t->is_reaped = waitpid(t->pid, &t->status, WNOHANG) == t->pid;
        ck_assert_msg(t->is_reaped || clock_mono_us() < deadline_us, "it has not ended after %g s:\n%s",
                      deadline_s, terminal_screen(t));
    }
    for (size_t before = t->bytes.size + 1; before != t->bytes.size;) {
        before = t->bytes.size;
        read_some(t, 0);
    }
    return WIFSIGNALED(t->status) ? 128 + WTERMSIG(t->status) : WEXITSTATUS(t->status);
}

const char *terminal_bytes(const struct terminal *t)
{
    return t->bytes.size ? t->bytes.data : "";
}

bool terminal_is_full_screen(const struct terminal *t)
{
    return t->is_full_screen;
}

/* --- Colours --- */

static bool is_coloured(struct terminal *t, int row, int column)
{
    VTermScreenCell cell;
    vterm_screen_get_cell(t->screen, (VTermPos){ .row = row, .col = column }, &cell);
    return !VTERM_COLOR_IS_DEFAULT_FG(&cell.fg) || !VTERM_COLOR_IS_DEFAULT_BG(&cell.bg);
}

bool terminal_is_coloured(struct terminal *t, const char *text)
{
    const char *screen = terminal_screen(t), *at = strstr(screen, text);
    int row = 0, column = 0;
    ck_assert_msg(at != NULL, "\"%s\" is not there:\n%s", text, screen);
    for (const char *c = screen; c < at; c++) {
        column = *c == '\n' ? 0 : column + (((unsigned char)*c & 0xc0) != 0x80);
        row += *c == '\n';
    }
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c & 0xc0) != 0x80 && *c != ' ' && !is_coloured(t, row, column++))
            return false;
        else if (*c == ' ')
            column++;
    return true;
}

/* --- The person's part --- */

void terminal_type(struct terminal *t, const char *keys)
{
    size_t size = strlen(keys);
    ck_assert_int_eq(write(t->fd, keys, size), (ssize_t)size);
}

void terminal_resize(struct terminal *t, int n_rows, int n_columns)
{
    struct winsize size = { .ws_row = (unsigned short)n_rows, .ws_col = (unsigned short)n_columns };
    t->n_rows = n_rows;
    t->n_columns = n_columns;
    vterm_set_size(t->vterm, n_rows, n_columns);
    ck_assert_int_eq(ioctl(t->fd, TIOCSWINSZ, &size), 0);
}

pid_t terminal_pid(const struct terminal *t)
{
    return t->pid;
}

struct terminal *terminal_free(struct terminal *t)
{
    if (!t->is_reaped) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    close(t->fd);
    vterm_free(t->vterm);
    buf_done(&t->bytes);
    buf_done(&t->text);
    free(t);
    return NULL;
}
