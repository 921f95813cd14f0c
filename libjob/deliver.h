/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery thread: reports, callbacks, and a new producer when the old one is lost. */
#pragma once

#include "libjob/client.h"

/* Return: 0; negative errno. */
int deliver_start(struct job_client *c);

/* Reports what is left as JOB_E_CLOSED and ends the thread. Return: how many those were. */
size_t deliver_stop(struct job_client *c);

/* The producer's callback; @userdata is the client. */
void deliver_report(const struct producer_report *report, void *userdata);

/* Counts a ticket in and out. */
void deliver_admit(struct job_client *c, struct ticket *t);
void deliver_dismiss(struct job_client *c, struct ticket *t);

/* Waits until the delivery thread has replaced the handle that was lost in @generation. Return: false when it has not. */
bool deliver_await_renewal(struct job_client *c, unsigned generation);
