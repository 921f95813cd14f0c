/* SPDX-License-Identifier: Apache-2.0 */
/* From a row of PostgreSQL's to what the application gets. */
#pragma once

#include "libjob/include/job.h"
#include "store/results.h"

/* One block of memory, for job_result_free(). Return: 0; -ENOMEM. */
int result_new(struct job_result **ret, const struct results_row *row);
