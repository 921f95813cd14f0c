/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job wait. */
#include "cli/commands.h"

#include <string.h>

#include "cli/job/absent.h"
#include "cli/job/lookup.h"
#include "cli/job/wait.h"
#include "store/jobs.h"

static bool is_among(const struct rows *rows, const struct uuid *id)
{
    struct uuid known;
    for (size_t i = 0; i < rows_count(rows); i++) {
        rows_uuid(rows, i, 0, &known);
        if (uuid_equal(&known, id))
            return true;
    }
    return false;
}

/* Return: STATUS_NOT_FOUND when nobody has @id for certain. When Kafka cannot be asked, waiting is all that is left. */
static int check_unknown(struct invocation *in, const struct uuid *id, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *known = NULL;
    struct lookup l = { 0 };
    struct err ignored = { 0 };
    int found = lookup_find(in, id, &l, &ignored);
    bool passed = found == 0 && l.ahead < 0;
    lookup_done(&l);
    if (found != LOOKUP_NOT_FOUND && !passed)
        return STATUS_DONE;
    int r = jobs_list_known(in->db, id, 1, &known, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(known) > 0)
        return STATUS_DONE;
    return passed ? absent_say_passed(id, reterr) : absent_judge(id, LOOKUP_NOT_FOUND, reterr);
}

static int check_ids(struct invocation *in, const struct uuid *ids, size_t n, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *known = NULL;
    int r = jobs_list_known(in->db, ids, n, &known, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    for (size_t i = 0; r == STATUS_DONE && i < n; i++)
        if (!is_among(known, &ids[i]))
            r = check_unknown(in, &ids[i], reterr);
    return r;
}

int command_job_wait(struct invocation *in, struct err *reterr)
{
    size_t n = in->arguments.n_words;
    if (n > WAIT_MAX_JOBS)
        return err_set(reterr, STATUS_USAGE, "at most %d jobs can be waited for at once", WAIT_MAX_JOBS);
    _cleanup_free_ struct uuid *ids = calloc(n + 1, sizeof(*ids));
    if (!ids)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++)
        uuid_parse(in->arguments.words[i], strlen(in->arguments.words[i]), &ids[i]);
    int r = wait_prepare(in, reterr);
    if (r == STATUS_DONE)
        r = check_ids(in, ids, n, reterr);
    if (r)
        return r;
    return wait_for_jobs(in, ids, n, arguments_get_duration(&in->arguments, "wait-timeout"), NULL, reterr);
}
