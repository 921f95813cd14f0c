/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl version. */
#include "cli/commands.h"

#include "cli/print/present.h"
#include "libjob/include/job.h"

int command_version(struct invocation *in, struct err *reterr)
{
    static const struct output_column columns[] = { { "version", CELL_TEXT } };
    struct cell cells[] = { cell_text(job_version()) };
    return present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
}
