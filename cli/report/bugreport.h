/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What helps others to understand what is wrong with an installation, as an archive of small texts.
 *
 * A member is a row: its name, what it is, what it needs, a function that writes it. What a member does not have cannot leak: none
 * has a payload, a header, a key, a result, an error's text, a query's text or a secret's file. Then everything passes through
 * cli/report/mask.h, which knows the secrets of the configuration and the environment. A member that needs a server that is away is left out, and
 * the list says so.
 */
#pragma once

#include "base/buf.h"
#include "cli/doctor/doctor.h"
#include "cli/report/mask.h"

struct bugreport_item {
    char name[48];
    const char *what;
    int64_t bytes; /* negative: left out */
};

struct bugreport {
    struct invocation *in;
    struct doctor doctor;
    struct mask mask;
    int64_t at_us;
    struct buf archive;
    struct bugreport_item items[48];
    size_t n_items;
};

/* Fills archive and items; bugreport_done() in every case. Return: an enum status. */
int bugreport_make(struct bugreport *b, struct invocation *in, struct err *reterr);
void bugreport_done(struct bugreport *b);
