/* SPDX-License-Identifier: Apache-2.0 */
/* How many files a worker on this host may open. */
#pragma once

struct doctor;

/* Warns when the worker @worker, process @pid on @host, may not open as many as it may need. Workers of other hosts and users are passed by. */
void doctor_check_files(struct doctor *d, const char *worker, const char *host, int pid);
