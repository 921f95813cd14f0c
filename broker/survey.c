/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/survey.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "store/relay.h"

int survey_queues(struct shares *shares, struct db *db, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = relay_list_queues(db, &rows, reterr);
    if (r)
        return r;
    shares_begin_list(shares);
    for (size_t i = 0; i < rows_count(rows) && r == 0; i++)
        r = shares_list(shares, rows_text(rows, i, 0));
    if (r)
        return err_set(reterr, r, "out of memory");
    shares_end_list(shares);
    return 0;
}

static int read_cursors(struct share *share, struct db *db, const char *prefix, struct err *reterr)
{
    char names[LANE_COUNT][NAME_TOPIC_MAX + 1];
    const char *topics[LANE_COUNT];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        topics[lane] = name_topic_of_lane(prefix, share->queue, lane, names[lane]);
    int r = relay_list_cursors(db, topics, LANE_COUNT, &rows, reterr);
    for (size_t i = 0; r == 0 && i < rows_count(rows); i++)
        backlog_note_cursor(&share->backlog, name_lane_of_topic(prefix, rows_text(rows, i, 0)),
                            rows_int(rows, i, 1), rows_bigint(rows, i, 2), rows_bigint(rows, i, 3));
    return r;
}

int survey_backlogs(struct shares *shares, struct db *db, const char *prefix, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < shares->n && r == 0; i++) {
        struct share *share = shares->all[i];
        if (!shares_wants_look(shares, share, clock_mono_us()))
            continue;
        r = read_cursors(share, db, prefix, reterr);
        if (r == 0)
            shares_note_look(shares, share, clock_mono_us());
    }
    return r;
}
