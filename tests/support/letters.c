/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/letters.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

/* In parts: a statement may take 30 s. */
void letters_make(struct site *s, int n)
{
    for (int from = 1; from <= n; from += 10000)
        site_sql(
            s,
            "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, error, headers, payload)"
            " SELECT job.new_id(), clock_timestamp(), 3, 3, 'mail', 't', (ARRAY['exhausted', 'failed', 'crashed'])[n %% 3 + 1],"
            " 'E' || n, '{\"h\": \"v\"}', convert_to('{\"n\": ' || n || '}', 'UTF8') FROM generate_series(%d, %d) AS n",
            from, from + 9999 < n ? from + 9999 : n);
    site_sql(s, "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, reason)"
                " SELECT id, died_at, attempt, delivery, queue, type, 'dead', reason FROM job.dead");
}

int64_t letters_run(struct site *s)
{
    return site_ask(s, "SELECT max(id) FROM job.bulk");
}

struct site_daemon *letters_start(struct site *s, const char *const *arguments, int64_t until)
{
    struct site_daemon *run = site_spawn(s, "cli/jobctl", arguments);
    site_await(s, 60,
               "SELECT coalesce((SELECT b.done >= %" PRId64
               " FROM job.bulk b ORDER BY b.id DESC LIMIT 1), false)",
               until);
    return run;
}

void letters_check_replayed(struct site *s, int n)
{
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.dead"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending WHERE reason = 'replay' AND delivery = 4"),
                     n);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.replayed WHERE delivery = 3"), n);
    ck_assert_int_eq(
        site_ask(s, "SELECT sum((detail ->> 'jobs')::bigint) FROM job.audit WHERE action = 'replay'"), n);
    ck_assert_int_eq(
        site_ask(
            s,
            "SELECT count(DISTINCT i) FROM job.audit, jsonb_array_elements_text(detail -> 'ids') AS i WHERE action = 'replay'"),
        n);
}

void letters_replay_killed(struct site *s, int n, const char *rate, int n_kills)
{
    char run[24];
    const char *const begin[] = { "dead", "replay", "--all", "--rate", rate, NULL }, *const resume[] = {
        "dead", "replay", "--resume", run, "--rate", rate, NULL
    };
    for (int i = 0; i < n_kills; i++) {
        site_destroy(letters_start(s, i == 0 ? begin : resume, (int64_t)n * (i + 1) / (n_kills + 2)));
        int64_t done = site_ask(s, "SELECT done FROM job.bulk ORDER BY id DESC LIMIT 1");
        ck_assert_int_lt(done, n);
        ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), done);
        snprintf(run, sizeof(run), "%" PRId64, letters_run(s));
    }
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *const[]){ "dead", "replay", "--resume", run, NULL }),
                     0);
    ck_assert_int_eq(
        site_ask(s, "SELECT count(*) FROM job.bulk WHERE state = 'done' AND done = %d AND total = %d", n, n),
        1);
    letters_check_replayed(s, n);
}
