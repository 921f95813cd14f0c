/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/dead_filter.h"

#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/dialog.h"

#define GROUP_SIZE 12

const char *const dead_reasons[] = { "exhausted", "failed", "crashed", "malformed", "unknown_type", NULL };

static const char *const text_options[] = { "error", "key", "worker" };

static int check_group(const char *group, struct err *reterr)
{
    if (!group || (strlen(group) == GROUP_SIZE && strspn(group, "0123456789abcdef") == GROUP_SIZE))
        return STATUS_DONE;
    return err_set(
        reterr, STATUS_USAGE,
        "--group: expected a group's name, 12 characters of 0-9 and a-f like \"3f1c09a7be42\", found \"%s\"; `jobctl dead groups` lists them",
        group);
}

static int check_texts(const struct arguments *a, struct err *reterr)
{
    for (size_t i = 0; i < ARRAY_SIZE(text_options); i++) {
        const char *text = arguments_get(a, text_options[i]);
        if (text && (!text[0] || !utf8_is_text(text, strlen(text))))
            return err_set(reterr, STATUS_USAGE, "--%s: expected UTF-8 text that is not empty",
                           text_options[i]);
    }
    return STATUS_DONE;
}

static int64_t read_moment(const struct arguments *a, const char *option, int64_t now_us)
{
    int64_t us = arguments_get_moment(a, option, now_us);
    return us < 0 ? 0 : us > 0 ? us : 1; /* 0 means that it is not said */
}

int dead_filter_read(const struct invocation *in, struct dead_filter *ret, struct err *reterr)
{
    const struct arguments *a = &in->arguments;
    int64_t now_us = clock_wall_us();
    struct dead_filter f = {
        .queue = arguments_get(a, "queue"),
        .type = arguments_get(a, "type"),
        .reason = arguments_get(a, "reason"),
        .group = arguments_get(a, "group"),
        .error = arguments_get(a, "error"),
        .key = arguments_get(a, "key"),
        .worker = arguments_get(a, "worker"),
        .since_us = read_moment(a, "since", now_us),
        .until_us = read_moment(a, "until", now_us),
        .limit = (int)arguments_get_count(a, "limit", 50),
    };
    int r = check_group(f.group, reterr);
    if (r == STATUS_DONE)
        r = check_texts(a, reterr);
    if (r == STATUS_DONE && f.since_us && f.until_us && f.since_us >= f.until_us)
        r = err_set(reterr, STATUS_USAGE, "--since: nothing lies between \"%s\" and --until \"%s\"",
                    arguments_get(a, "since"), arguments_get(a, "until"));
    *ret = f;
    return r;
}

bool dead_filter_is_given(const struct arguments *a)
{
    static const char *const options[] = { "queue", "type",   "reason", "group", "error",
                                           "key",   "worker", "since",  "until" };
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (arguments_has(a, options[i]))
            return true;
    return false;
}

void dead_filter_remark(const struct invocation *in, const struct dead_filter *filter)
{
    dialog_remark_queue(in, filter->queue);
    dialog_remark_type(in, filter->type);
}
