/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl completion. */
#include "cli/commands.h"

#include <stdio.h>

#include "cli/line/completion.h"

int command_completion(struct invocation *in, struct err *reterr)
{
    if (fputs(completion_script(in->arguments.words[0]), in->to) < 0)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}
