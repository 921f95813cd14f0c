/* SPDX-License-Identifier: Apache-2.0 */
/* jobbrokerd: moves jobs that are due to their queues, and takes jobs back from workers that are gone. */
#include <unistd.h>

#include "broker/broker.h"
#include "libjob/program.h"

static const struct program program = {
    .name = "jobbrokerd",
    .summary = "moves jobs that are due to their queues, and takes jobs back from workers that are gone",
};

int main(int argc, char **argv)
{
    int status = PROGRAM_FAILED;
    struct program_common common;
    _cleanup_config_ struct job_config *config = NULL;
    if (program_parse(&program, argc, argv, &common, &status) ||
        program_configure(&program, &common, &config, &status))
        return status;
    int r = broker_run(&common, &config);
    if (r == BROKER_LEFT_BEHIND)
        _exit(PROGRAM_FAILED);
    return r == 0 ? PROGRAM_FINE : PROGRAM_FAILED;
}
