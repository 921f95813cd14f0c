/* SPDX-License-Identifier: Apache-2.0 */
/* jobworkerd: runs background jobs. */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "libjob/program.h"
#include "worker/run_once.h"
#include "worker/worker.h"
#include "worker/zygote.h"

static struct run_once once;

static const struct program_option options[] = {
    { "run", "TYPE", "run one job of this type here, without servers, print its result and end", &once.type },
    { "payload", "JSON", "with --run: the job's payload", &once.payload },
};

static const struct program program = {
    .name = "jobworkerd",
    .summary = "runs background jobs in isolated processes and records what became of them",
    .options = options,
    .n_options = ARRAY_SIZE(options),
    .runs_handlers = true,
};

/* The zygote comes first: from a process without threads, connections and secrets. */
int main(int argc, char **argv)
{
    _cleanup_config_ struct job_config *config = NULL;
    struct program_common common;
    int zygote, status;
    pid_t pid;

    if (program_parse(&program, argc, argv, &common, &status) != 0)
        return status;
    if (once.payload && !once.type) {
        fprintf(stderr, "jobworkerd: --payload is for --run (jobworkerd --help)\n");
        return PROGRAM_USAGE;
    }
    if (zygote_start(&zygote, &pid) < 0)
        return PROGRAM_FAILED;
    if (program_configure(&program, &common, &config, &status) != 0)
        return status;
    return once.type ? run_once(config, &once) : worker_run(&common, config, zygote, pid);
}
