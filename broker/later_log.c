/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/later_log.h"

#include <inttypes.h>

#include "base/log.h"
#include "libjob/topic_check.h"
#include "store/trim.h"

static int stand(const struct later_cursor *c, const char *why, bool say)
{
    if (say)
        log_error("later: %s[%" PRId32 "]: its log is not the one that offset %" PRId64
                  " belongs to%s%s; it stands until "
                  "somebody says: jobctl topic reset %s",
                  c->topic, c->partition, c->next_offset, *why ? ": " : "", why, c->topic);
    return LATER_LOG_STANDS;
}

static int note_recreated(struct db *db, const struct later_cursor *c, const struct topic_log *log, bool say,
                          struct err *reterr)
{
    bool news;
    int r = trim_note_recreated(db, c->topic, c->partition, log->start, log->end, log->why, &news, reterr);
    return r > 0 ? LATER_LOG_UNSTORED : r ? r : stand(c, log->why, say);
}

static int note_lost(struct db *db, struct later_cursor *c, int64_t log_start, struct err *reterr)
{
    log_error("later: %s[%" PRId32 "]: Kafka has dropped the records from offset %" PRId64 " to %" PRId64
              ", which nobody had read. Was the topic's retention changed?",
              c->topic, c->partition, c->next_offset, log_start - 1);
    int r = trim_note_lost(db, c->topic, c->partition, c->epoch, c->next_offset, log_start - 1, reterr);
    if (r == 0)
        r = later_store(db, c, NULL, 0, log_start, reterr);
    return r > 0 ? LATER_LOG_UNSTORED : r;
}

int later_log_check(struct db *db, struct admin *admin, struct later_cursor *c, bool say, struct err *reterr)
{
    struct topic_log log;
    const struct topic_cursor cursor = { c->partition, c->next_offset, c->log_start, c->checked_offset,
                                         c->checked_ms };
    if (c->trouble)
        return stand(c, "", say);
    if (c->log_start < 0)
        return 0;
    int r = topic_check_logs(admin, c->topic, &cursor, 1, &log, reterr);
    if (r)
        return r < 0 ? r : LATER_LOG_AWAY;
    switch (log.verdict) {
    case TOPIC_RECREATED:
        return note_recreated(db, c, &log, say, reterr);
    case TOPIC_LOST:
        return note_lost(db, c, log.start, reterr);
    default:
        return 0;
    }
}
