/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering what tells why a job is where it is: from PostgreSQL, and from Kafka when that is where it waits or has to go.
 *
 * Each server is asked as little as the job's place demands. One that is away is a fact like others.
 */
#pragma once

#include "cli/invocation.h"
#include "cli/job/lookup.h"
#include "cli/why/why.h"

struct why_inquiry {
    struct why_facts facts; /* borrows from the rest */
    struct uuid id;
    char id_text[UUID_TEXT_SIZE];
    struct rows *job, *road; /* as why_find_job() and why_find_road() have them; NULL: not asked */
    struct rows *before;     /* as why_list_before() has it */
    struct rows *states;     /* of the other job */
    struct lookup found;
    char blocker[UUID_TEXT_SIZE];
    char queue[NAME_QUEUE_MAX + 1], topic[NAME_TOPIC_MAX + 1];
    struct err store_err, kafka_err;
};

/*
 * Blocks for a few questions to PostgreSQL, and to Kafka where that matters: of a job that PostgreSQL does not know it reads for 2 s at
 * most. Return: STATUS_DONE; STATUS_AWAY when nothing is known because servers are away; another enum status. why_inquiry_done()
 * @ret in every case.
 */
int why_inquire(struct invocation *in, const struct uuid *id, struct why_inquiry *ret, struct err *reterr);
void why_inquiry_done(struct why_inquiry *q);
