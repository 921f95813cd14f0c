/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl doctor. */
#include "cli/commands.h"
#include "cli/doctor/doctor.h"

int command_doctor(struct invocation *in, struct err *reterr)
{
    struct doctor d = { .in = in };
    int r = doctor_run(&d, reterr);
    if (r == STATUS_DONE)
        r = findings_print(&d.findings, &in->style, in->to, reterr);
    if (r == STATUS_DONE && d.findings.n_problems)
        r = err_set(reterr, STATUS_FAILED, "problems: %zu, warnings: %zu", d.findings.n_problems,
                    d.findings.n_warnings);
    doctor_done(&d);
    return r;
}
