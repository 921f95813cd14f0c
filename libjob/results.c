/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/results.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "libjob/error.h"
#include "libjob/result.h"
#include "store/results.h"

#define LOOK_MAX_JOBS 1000 /* in one query */
#define CONNECT_LIMIT_US (5 * USEC_PER_SEC)
#define ANSWER_LIMIT_US (20 * USEC_PER_SEC)
#define RECONNECT_MIN_US (100 * USEC_PER_MSEC)
#define RECONNECT_MAX_US (5 * USEC_PER_SEC)
#define LOOK_AFTER_REFUSAL_US USEC_PER_SEC
#define IDLE_US (60 * USEC_PER_SEC) /* with nobody waiting; then the connection is given back */

struct results {
    pthread_t thread;
    int wake_fd;

    pthread_mutex_t mutex;
    struct watches watches;
    bool woken, closing;

    /* the thread's own */
    struct session *session;
    int64_t limit_us; /* CONNECTING, BUSY: when to give up; READY: since when nobody waits, plus IDLE_US */
    int64_t reconnect_us;                /* DOWN: when to try again */
    int64_t pause_us;                    /* between the last two attempts */
    char why[256];                       /* it is not there; "" when it is */
    struct uuid asked[2][LOOK_MAX_JOBS]; /* by whether only ends were asked for */
    size_t n_asked[2];
};

enum { ASKED_ENDS, ASKED_STATES };

static int asked_for(const struct watch *w)
{
    return w->kind == WATCH_STATE ? ASKED_STATES : ASKED_ENDS;
}

/* --- Ends of watches -------------------------------------------------------------------------------------------------------- */

static void end(struct watch *w, int error, const char *why, struct job_result *result)
{
    if (error)
        error_set(error, "%s", why && *why ? why : job_strerror(error));
    w->end(w, error, result);
}

static void end_all(struct watch *chain, int error, const char *why)
{
    while (chain) {
        struct watch *next = chain->next;
        end(chain, error, why, NULL);
        chain = next;
    }
}

static void take_out(struct results *r, struct watch *w, struct watch **chain)
{
    watches_remove(&r->watches, w);
    w->next = *chain;
    *chain = w;
}

static bool is_connected(const struct results *r)
{
    return session_state(r->session) >= SESSION_READY;
}

static void end_late(struct results *r, struct watch *w)
{
    if (!is_connected(r))
        end(w, JOB_E_DATABASE_AWAY, r->why, NULL);
    else if (w->kind == WATCH_END)
        end(w, JOB_E_NOT_ENDED, NULL, NULL);
    else
        end(w, JOB_E_DATABASE_AWAY, "PostgreSQL does not answer", NULL);
}

static void end_those_whose_time_is_over(struct results *r, int64_t now_us)
{
    struct watch *w, *late = NULL;
    pthread_mutex_lock(&r->mutex);
    while ((w = watches_first(&r->watches, WATCH_BY_DEADLINE)) && w->deadline_us <= now_us)
        take_out(r, w, &late);
    pthread_mutex_unlock(&r->mutex);
    while (late) {
        w = late;
        late = w->next;
        end_late(r, w);
    }
}

/* --- Answers ------------------------------------------------------------------------------------------------------------------ */

/* Those of the job's watches that asked for it so. */
static struct watch *take_watches_of(struct results *r, const struct uuid *id, int asked)
{
    struct watch *chain = NULL, *next;
    pthread_mutex_lock(&r->mutex);
    for (struct watch *w = watches_find(&r->watches, id); w; w = next) {
        next = watches_find_next(w);
        if (asked_for(w) == asked)
            take_out(r, w, &chain);
    }
    pthread_mutex_unlock(&r->mutex);
    return chain;
}

static void take_row(struct results *r, const struct rows *rows, size_t i, int asked)
{
    struct results_row row;
    results_get(rows, i, &row);
    struct watch *chain = take_watches_of(r, &row.id, asked);
    while (chain) {
        struct watch *w = chain;
        struct job_result *result = NULL;
        chain = w->next;
        int failed = result_new(&result, &row);
        end(w, failed, NULL, result);
    }
}

/* The job was not in the answer. Watches that came, or whose job was told, since it was asked for have a look of their own. */
static void go_on_waiting(struct results *r, const struct uuid *id, int asked, int64_t now_us,
                          struct watch **once)
{
    struct watch *next;
    for (struct watch *w = watches_find(&r->watches, id); w; w = next) {
        next = watches_find_next(w);
        if (asked_for(w) != asked || w->look_us != WATCH_NO_LOOK)
            continue;
        if (w->kind == WATCH_END)
            watches_set_look(&r->watches, w, watch_next_look_us(w->began_us, now_us));
        else
            take_out(r, w, once);
    }
}

static void settle_absent(struct results *r, int asked)
{
    struct watch *once = NULL;
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->n_asked[asked]; i++)
        go_on_waiting(r, &r->asked[asked][i], asked, now_us, &once);
    pthread_mutex_unlock(&r->mutex);
    end_all(once, asked == ASKED_ENDS ? JOB_E_NOT_ENDED : JOB_E_NOT_FOUND, NULL);
}

/* Nobody may be able to help it: the rights or the schema are missing. Anything else may pass. */
static bool is_final(const char *sqlstate)
{
    return strncmp(sqlstate, "42", 2) == 0 || strncmp(sqlstate, "3F", 2) == 0;
}

static void end_asked(struct results *r, int asked, const char *why)
{
    for (size_t i = 0; i < r->n_asked[asked]; i++)
        end_all(take_watches_of(r, &r->asked[asked][i], asked), JOB_E_DATABASE_REFUSED, why);
}

static void look_again_later(struct results *r, int asked)
{
    int64_t at_us = clock_mono_us() + LOOK_AFTER_REFUSAL_US;
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->n_asked[asked]; i++)
        for (struct watch *w = watches_find(&r->watches, &r->asked[asked][i]); w; w = watches_find_next(w))
            if (asked_for(w) == asked && w->look_us == WATCH_NO_LOOK)
                watches_set_look(&r->watches, w, at_us);
    pthread_mutex_unlock(&r->mutex);
}

static void take_refusal(struct results *r, const struct store_refusal *refusal)
{
    char why[600];
    snprintf(why, sizeof(why), "PostgreSQL: %s (SQLSTATE %s)", refusal->text, refusal->sqlstate);
    for (int asked = 0; asked < 2; asked++)
        if (is_final(refusal->sqlstate))
            end_asked(r, asked, why);
        else
            look_again_later(r, asked);
}

static void on_reply(const struct session_reply *reply, void *userdata)
{
    struct results *r = userdata;
    if (reply->outcome == STORE_REFUSED)
        take_refusal(r, &reply->refusal);
    if (reply->outcome != STORE_OK)
        return;
    for (int asked = 0, at = 0; asked < 2; asked++) {
        if (r->n_asked[asked] == 0)
            continue;
        const struct rows *rows = reply->rows[at++];
        for (size_t i = 0; i < rows_count(rows); i++)
            take_row(r, rows, i, asked);
        settle_absent(r, asked);
    }
    r->limit_us = clock_mono_us() + IDLE_US;
}

/* --- The connection ------------------------------------------------------------------------------------------------------------- */

static void on_ready(void *userdata)
{
    struct results *r = userdata;
    r->why[0] = 0;
    r->pause_us = 0;
    r->limit_us = clock_mono_us() + IDLE_US;
    pthread_mutex_lock(&r->mutex);
    watches_look_at_all(&r->watches, clock_mono_us());
    pthread_mutex_unlock(&r->mutex);
}

/* Half of the pause is chance: many clients lose their connections at once. */
static void on_lost(const char *why, bool refused, void *userdata)
{
    struct results *r = userdata;
    int64_t now_us = clock_mono_us();
    (void)refused;
    snprintf(r->why, sizeof(r->why), "%s", why);
    r->pause_us = r->pause_us ? 2 * r->pause_us : RECONNECT_MIN_US;
    if (r->pause_us > RECONNECT_MAX_US)
        r->pause_us = RECONNECT_MAX_US;
    int64_t half_us = r->pause_us / 2;
    r->reconnect_us = now_us + half_us + (int64_t)(hash_mix((uint64_t)now_us) % (uint64_t)half_us);
}

static void on_notified(const char *channel, const char *payload, void *userdata)
{
    struct results *r = userdata;
    struct uuid id;
    (void)channel;
    if (uuid_parse(payload, strlen(payload), &id))
        return;
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&r->mutex);
    for (struct watch *w = watches_find(&r->watches, &id); w; w = watches_find_next(w))
        watches_set_look(&r->watches, w, now_us);
    pthread_mutex_unlock(&r->mutex);
}

/* Those that are due, until the query is full; the heap has them in order. */
static void gather(struct results *r, int64_t now_us)
{
    struct watch *w;
    r->n_asked[ASKED_ENDS] = r->n_asked[ASKED_STATES] = 0;
    pthread_mutex_lock(&r->mutex);
    while ((w = watches_first(&r->watches, WATCH_BY_LOOK)) && w->look_us <= now_us) {
        int asked = asked_for(w);
        if (r->n_asked[asked] == LOOK_MAX_JOBS)
            break;
        r->asked[asked][r->n_asked[asked]++] = w->id;
        watches_set_look(&r->watches, w, WATCH_NO_LOOK);
    }
    pthread_mutex_unlock(&r->mutex);
}

static void look(struct results *r, int64_t now_us)
{
    gather(r, now_us);
    if (r->n_asked[ASKED_ENDS])
        results_add_ended(r->session, r->asked[ASKED_ENDS], r->n_asked[ASKED_ENDS]);
    if (r->n_asked[ASKED_STATES])
        results_add_states(r->session, r->asked[ASKED_STATES], r->n_asked[ASKED_STATES]);
    if (session_state(r->session) != SESSION_BUSY)
        return;
    r->limit_us = now_us + ANSWER_LIMIT_US;
    session_submit(r->session, on_reply, r);
}

static size_t count_watches(struct results *r)
{
    pthread_mutex_lock(&r->mutex);
    size_t n = r->watches.n;
    pthread_mutex_unlock(&r->mutex);
    return n;
}

static void give_back(struct results *r)
{
    session_abort(r->session, "PostgreSQL: not connected yet");
    r->reconnect_us = r->pause_us = 0;
}

/* What the session's state asks for now. */
static void tend(struct results *r, int64_t now_us)
{
    switch (session_state(r->session)) {
    case SESSION_DOWN:
        if (now_us < r->reconnect_us || count_watches(r) == 0)
            return;
        r->limit_us = now_us + CONNECT_LIMIT_US;
        session_connect(r->session);
        return;
    case SESSION_CONNECTING:
        if (now_us >= r->limit_us)
            session_abort(r->session, "PostgreSQL: no answer to a connection attempt for 5 s");
        return;
    case SESSION_BUSY:
        if (now_us >= r->limit_us)
            session_abort(r->session, "PostgreSQL: no answer for 20 s");
        return;
    case SESSION_READY:
        look(r, now_us);
        if (session_state(r->session) != SESSION_READY)
            return;
        if (count_watches(r) > 0)
            r->limit_us = now_us + IDLE_US;
        else if (now_us >= r->limit_us)
            give_back(r);
        return;
    }
}

/* --- The thread ------------------------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_event_us(struct results *r)
{
    enum session_state state = session_state(r->session);
    pthread_mutex_lock(&r->mutex);
    const struct watch *ends = watches_first(&r->watches, WATCH_BY_DEADLINE);
    const struct watch *looks = watches_first(&r->watches, WATCH_BY_LOOK);
    int64_t at_us = ends ? ends->deadline_us : INT64_MAX;
    if (state == SESSION_READY && looks)
        at_us = earlier(at_us, looks->look_us);
    if (state == SESSION_DOWN)
        at_us = ends ? earlier(at_us, r->reconnect_us) : at_us;
    else
        at_us = earlier(at_us, r->limit_us);
    pthread_mutex_unlock(&r->mutex);
    return at_us;
}

static int poll_timeout_ms(int64_t at_us, int64_t now_us)
{
    int64_t left_us = at_us - now_us;
    if (left_us <= 0)
        return 0;
    return left_us > 3600 * USEC_PER_SEC ? 3600 * 1000 : (int)((left_us + 999) / 1000);
}

static short poll_events(uint32_t watch)
{
    return (short)((watch & EPOLLIN ? POLLIN : 0) | (watch & EPOLLOUT ? POLLOUT : 0));
}

static void rest(struct results *r)
{
    uint64_t count;
    struct pollfd pfds[] = {
        { .fd = r->wake_fd, .events = POLLIN },
        { .fd = session_fd(r->session), .events = poll_events(session_events(r->session)) },
    };
    poll(pfds, 2, poll_timeout_ms(next_event_us(r), clock_mono_us()));
    if (pfds[0].revents && read(r->wake_fd, &count, sizeof(count)) > 0) {
        pthread_mutex_lock(&r->mutex);
        r->woken = false; /* who came in between is seen by the next turn */
        pthread_mutex_unlock(&r->mutex);
    }
    if (pfds[1].revents)
        session_process(r->session);
}

static bool is_closing(struct results *r)
{
    pthread_mutex_lock(&r->mutex);
    bool closing = r->closing;
    pthread_mutex_unlock(&r->mutex);
    return closing;
}

static void end_the_rest(struct results *r)
{
    struct watch *w, *left = NULL;
    pthread_mutex_lock(&r->mutex);
    while ((w = watches_first(&r->watches, WATCH_BY_DEADLINE)))
        take_out(r, w, &left);
    pthread_mutex_unlock(&r->mutex);
    end_all(left, JOB_E_CLOSED, NULL);
}

static void *results_main(void *userdata)
{
    struct results *r = userdata;
    while (!is_closing(r)) {
        int64_t now_us = clock_mono_us();
        end_those_whose_time_is_over(r, now_us);
        tend(r, now_us);
        rest(r);
    }
    end_the_rest(r);
    return NULL;
}

/* --- Life ---------------------------------------------------------------------------------------------------------------------------- */

static struct results *release(struct results *r)
{
    if (!r)
        return NULL;
    session_free(r->session);
    watches_done(&r->watches);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    return NULL;
}
DEFINE_CLEANUP(struct results *, release)

static int start_thread(struct results *r)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&r->thread, NULL, results_main, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -failed;
}

int results_new(struct results **ret, const char *url)
{
    static const char *const channels[] = { RESULTS_CHANNEL, NULL };
    _cleanup_(release_cleanup) struct results *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    const struct session_events_fns events = { on_ready, on_lost, on_notified, r };
    pthread_mutex_init(&r->mutex, NULL);
    snprintf(r->why, sizeof(r->why), "PostgreSQL: not connected yet");
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->wake_fd < 0)
        return -errno;
    int failed =
        session_new(&r->session, url, "libjob", results_statements, results_n_statements, channels, &events);
    if (failed == 0)
        failed = start_thread(r);
    if (failed)
        return failed;
    *ret = steal(r);
    return 0;
}

/* Under the mutex. */
static void wake(struct results *r)
{
    uint64_t one = 1;
    if (!r->woken && write(r->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
        r->woken = true;
}

struct results *results_free(struct results *r)
{
    if (!r)
        return NULL;
    pthread_mutex_lock(&r->mutex);
    r->closing = true;
    wake(r);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    return release(r);
}

bool results_is_own_thread(const struct results *r)
{
    return pthread_equal(pthread_self(), r->thread);
}

int results_watch(struct results *r, struct watch *w)
{
    int failed = 0;
    pthread_mutex_lock(&r->mutex);
    if (r->closing)
        failed = JOB_E_CLOSED;
    else if (r->watches.n >= JOB_MAX_WATCHES)
        failed = JOB_E_FULL;
    else
        failed = watches_add(&r->watches, w);
    if (failed == 0)
        wake(r);
    pthread_mutex_unlock(&r->mutex);
    return failed;
}
