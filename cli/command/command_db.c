/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl db: the schema, with who may use it. */
#include "cli/commands.h"

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/migrate.h"
#include "store/rights.h"

static void say_applied(const struct migration *m)
{
    dialog_say("applied %04d-%s", m->version, m->name);
}

static const struct output_column columns[] = {
    { "version", CELL_INT },
    { "latest", CELL_INT },
    { "current", CELL_BOOL },
};

static int print_status(struct invocation *in, const struct migrate_status *status, struct err *reterr)
{
    struct cell cells[] = {
        cell_int(status->version),
        cell_int(status->latest),
        cell_bool(status->version == status->latest),
    };
    return present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
}

int command_db_migrate(struct invocation *in, struct err *reterr)
{
    struct migrate_status status;
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = migrate_status(in->db, &status, reterr);
    if (r == 0 && status.version > status.latest)
        return err_set(reterr, STATUS_FAILED,
                       "the schema has version %d, this jobctl knows only up to %d: use a newer one",
                       status.version, status.latest);
    bool was_current = r == 0 && status.version == status.latest;
    if (r == 0)
        r = migrate_apply(in->db, say_applied, reterr);
    if (r == 0)
        r = migrate_status(in->db, &status, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (was_current)
        dialog_say("nothing to do");
    return print_status(in, &status, reterr);
}

int command_db_status(struct invocation *in, struct err *reterr)
{
    struct migrate_status status;
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = migrate_status(in->db, &status, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    r = print_status(in, &status, reterr);
    if (r == STATUS_DONE && status.version < status.latest)
        return err_set(reterr, STATUS_FAILED, "the schema is not current: run `jobctl db migrate`");
    if (r == STATUS_DONE && status.version > status.latest)
        return err_set(reterr, STATUS_FAILED, "the schema is newer than this jobctl: use the newer one");
    return r;
}

typedef int (*change_right_fn)(struct db *db, const char *role, const char *right, struct err *reterr);

static int change_right(struct invocation *in, change_right_fn change, const char *done, struct err *reterr)
{
    const char *role = in->arguments.words[0], *right = in->arguments.words[1];
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, change(in->db, role, right, reterr), reterr);
    if (r == STATUS_DONE)
        dialog_say("the role \"%s\" %s \"%s\"", role, done, right);
    return r;
}

int command_db_grant(struct invocation *in, struct err *reterr)
{
    return change_right(in, rights_grant, "may", reterr);
}

int command_db_revoke(struct invocation *in, struct err *reterr)
{
    return change_right(in, rights_revoke, "may no more", reterr);
}
