/* SPDX-License-Identifier: Apache-2.0 */
/* What the table's rows run, each in the file of its group. Return: an enum status, with the reason in @reterr. */
#pragma once

#include "cli/invocation.h"

int command_enqueue(struct invocation *in, struct err *reterr);

int command_job_show(struct invocation *in, struct err *reterr);
int command_job_list(struct invocation *in, struct err *reterr);
int command_job_cancel(struct invocation *in, struct err *reterr);
int command_job_tail(struct invocation *in, struct err *reterr);
int command_job_wait(struct invocation *in, struct err *reterr);
int command_job_why(struct invocation *in, struct err *reterr);
int command_job_run_now(struct invocation *in, struct err *reterr);
int command_job_replay(struct invocation *in, struct err *reterr);

int command_dead_list(struct invocation *in, struct err *reterr);
int command_dead_groups(struct invocation *in, struct err *reterr);
int command_dead_show(struct invocation *in, struct err *reterr);
int command_dead_edit(struct invocation *in, struct err *reterr);
int command_dead_replay(struct invocation *in, struct err *reterr);
int command_dead_purge(struct invocation *in, struct err *reterr);
int command_dead_export(struct invocation *in, struct err *reterr);
int command_dead_import(struct invocation *in, struct err *reterr);
int command_dead_hook(struct invocation *in, struct err *reterr);

int command_queue_list(struct invocation *in, struct err *reterr);
int command_queue_show(struct invocation *in, struct err *reterr);
int command_queue_create(struct invocation *in, struct err *reterr);
int command_queue_set(struct invocation *in, struct err *reterr);
int command_queue_keys(struct invocation *in, struct err *reterr);
int command_queue_pause(struct invocation *in, struct err *reterr);
int command_queue_resume(struct invocation *in, struct err *reterr);
int command_queue_drain(struct invocation *in, struct err *reterr);

int command_worker_list(struct invocation *in, struct err *reterr);
int command_worker_show(struct invocation *in, struct err *reterr);
int command_worker_drain(struct invocation *in, struct err *reterr);

int command_cron_list(struct invocation *in, struct err *reterr);
int command_cron_add(struct invocation *in, struct err *reterr);
int command_cron_remove(struct invocation *in, struct err *reterr);
int command_cron_enable(struct invocation *in, struct err *reterr);
int command_cron_disable(struct invocation *in, struct err *reterr);
int command_cron_run(struct invocation *in, struct err *reterr);
int command_cron_next(struct invocation *in, struct err *reterr);

int command_topic_list(struct invocation *in, struct err *reterr);
int command_topic_apply(struct invocation *in, struct err *reterr);
int command_topic_reset(struct invocation *in, struct err *reterr);
int command_topic_trim(struct invocation *in, struct err *reterr);

int command_db_migrate(struct invocation *in, struct err *reterr);
int command_db_status(struct invocation *in, struct err *reterr);
int command_db_grant(struct invocation *in, struct err *reterr);
int command_db_revoke(struct invocation *in, struct err *reterr);

int command_completion(struct invocation *in, struct err *reterr);
int command_top(struct invocation *in, struct err *reterr);
int command_bugreport(struct invocation *in, struct err *reterr);
int command_doctor(struct invocation *in, struct err *reterr);
int command_version(struct invocation *in, struct err *reterr);
