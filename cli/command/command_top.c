/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl top: all that is going on, on the whole screen. */
#include "cli/commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/top/top_gather.h"
#include "cli/top/top_keys.h"
#include "cli/top/top_layout.h"
#include "cli/top/top_once.h"
#include "cli/top/top_screen.h"

#define INTERVAL_DEFAULT_US (2 * USEC_PER_SEC)
#define ONCE_INTERVAL_US USEC_PER_SEC
#define ONCE_LIMIT_US (15 * USEC_PER_SEC) /* both servers may be away, and each attempt takes 5 s */
#define POLL_MS 1000                      /* a change of size may come between two calls */

struct top {
    struct invocation *in;
    struct gather *gather;
    struct picture picture;
    struct top_view view;
    size_t page;
    int signal_fd;
};

/* --- Once --- */

/* With both servers away there is nothing to print. */
static int judge_picture(const struct picture *p, struct err *reterr)
{
    if (p->store_away[0] && p->kafka_away[0])
        return err_set(reterr, STATUS_AWAY, "%s; %s", p->store_away, p->kafka_away);
    return STATUS_DONE;
}

/* Two looks, for what happens in between. */
static int run_once(struct top *t, struct err *reterr)
{
    int r = gather_start(&t->gather, t->in, ONCE_INTERVAL_US, reterr);
    if (r)
        return r;
    struct pollfd pfd = { .fd = gather_fd(t->gather), .events = POLLIN };
    for (int64_t deadline_us = clock_mono_us() + ONCE_LIMIT_US;
         gather_n_looks(t->gather) < 2 && clock_mono_us() < deadline_us;) {
        poll(&pfd, 1, 100);
        gather_clear(t->gather);
    }
    gather_make(t->gather, &t->picture);
    gather_stop(t->gather);
    r = judge_picture(&t->picture, reterr);
    return r ? r : top_once_print(t->in, &t->picture, reterr);
}

/* --- The screen --- */

static void draw(struct top *t, bool whole)
{
    _cleanup_(top_lines_done) struct top_lines lines = { 0 };
    int width, height;
    top_screen_get_size(&width, &height);
    top_layout(&lines, &t->picture, &t->view, width, height);
    t->page = lines.page;
    top_screen_draw(&lines, whole);
}

static void look(struct top *t)
{
    gather_clear(t->gather);
    if (t->view.still)
        return;
    picture_done(&t->picture);
    gather_make(t->gather, &t->picture);
}

/* Return: STATUS_DONE and STATUS_INTERRUPTED end the loop; -1: it goes on. */
static int press(struct top *t, unsigned key)
{
    int64_t interval_us = t->view.interval_us;
    bool still = t->view.still;
    if (key == TOP_KEY_STOP) {
        top_screen_stop();
        draw(t, true);
        return -1;
    }
    int wish = top_press(&t->view, key, t->page);
    if (wish == TOP_QUIT || wish == TOP_INTERRUPT)
        return wish == TOP_QUIT ? STATUS_DONE : STATUS_INTERRUPTED;
    if (interval_us != t->view.interval_us || still != t->view.still)
        gather_set_interval(t->gather, t->view.still ? 0 : t->view.interval_us);
    if (wish == TOP_DRAW)
        draw(t, key == TOP_KEY_REDRAW || key == TOP_KEY_RESIZE);
    return -1;
}

static int read_keys(struct top *t)
{
    int status = -1;
    for (unsigned key; status < 0 && (key = top_screen_read_key());)
        status = press(t, key);
    return status;
}

/* Somebody ends us: as Ctrl-C does, or by the signal's own number. */
static int read_signal(const struct top *t)
{
    struct signalfd_siginfo info;
    if (read(t->signal_fd, &info, sizeof(info)) != sizeof(info))
        return -1;
    return info.ssi_signo == SIGINT ? STATUS_INTERRUPTED : 128 + (int)info.ssi_signo;
}

/* Return: an enum status; 128 + a signal. */
static int watch(struct top *t)
{
    struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                            { .fd = gather_fd(t->gather), .events = POLLIN },
                            { .fd = t->signal_fd, .events = POLLIN } };
    draw(t, true);
    for (int status = -1;;) {
        int n = poll(fds, ARRAY_SIZE(fds), POLL_MS);
        if (n > 0 && (fds[2].revents & POLLIN))
            status = read_signal(t);
        if (n > 0 && (fds[0].revents & (POLLHUP | POLLERR)) && !(fds[0].revents & POLLIN))
            status = 128 + SIGHUP; /* the terminal is gone */
        if (status < 0)
            status = read_keys(t); /* also when a signal has told of another size */
        if (status >= 0)
            return status;
        if (n > 0 && (fds[1].revents & POLLIN)) {
            look(t);
            draw(t, false);
        }
    }
}

static void block_signals(sigset_t *ret_before, int *ret_fd)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGQUIT);
    sigprocmask(SIG_BLOCK, &mask, ret_before);
    *ret_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_on_screen(struct top *t, struct err *reterr)
{
    sigset_t before;
    block_signals(&before, &t->signal_fd);
    int r = top_screen_open(t->in->style.colours, reterr);
    if (r == STATUS_DONE) {
        r = gather_start(&t->gather, t->in, t->view.interval_us, reterr);
        if (r == STATUS_DONE) {
            r = watch(t);
            top_screen_close(); /* before what may take a moment */
            gather_stop(t->gather);
        }
        top_screen_close();
    }
    if (t->signal_fd >= 0)
        close(t->signal_fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* --- The command --- */

static int check(const struct invocation *in, bool once, int64_t interval_us, struct err *reterr)
{
    if (in->style.format == OUTPUT_CSV)
        return err_set(reterr, STATUS_USAGE, "-o csv: a moment has several lists; -o json has them all");
    if (!once && in->style.format != OUTPUT_TABLE)
        return err_set(reterr, STATUS_USAGE, "-o is for --once, which prints one moment");
    if (!once && !(in->style.terminal && isatty(STDIN_FILENO)))
        return err_set(
            reterr, STATUS_USAGE,
            "top needs a terminal to draw on; with --once, or --once -o json, one moment is printed");
    if (in->style.columns || in->style.sort)
        return err_set(reterr, STATUS_USAGE, "--columns, --sort: not here; the keys s and r sort");
    if (interval_us < TOP_INTERVAL_MIN_US || interval_us > TOP_INTERVAL_MAX_US)
        return err_set(reterr, STATUS_USAGE, "--interval: from 250ms to 1m, like 2s");
    return STATUS_DONE;
}

int command_top(struct invocation *in, struct err *reterr)
{
    bool once = arguments_has(&in->arguments, "once");
    int64_t interval_us = arguments_get_duration(&in->arguments, "interval");
    struct top t = { .in = in, .signal_fd = -1 };
    interval_us = interval_us < 0 ? INTERVAL_DEFAULT_US : interval_us;
    int r = check(in, once, interval_us, reterr);
    if (r)
        return r;
    top_view_init(&t.view, interval_us);
    t.picture.n_brokers = t.picture.n_dead = t.picture.n_leases = PICTURE_UNKNOWN;
    t.picture.in = t.picture.out = t.picture.failed = -1;
    t.picture.now_us = clock_wall_us();
    r = once ? run_once(&t, reterr) : run_on_screen(&t, reterr);
    picture_done(&t.picture);
    return r;
}
