/* SPDX-License-Identifier: Apache-2.0 */
/* What jobctl doctor finds on the site that control_use() has named: examined once, then asked about. */
#pragma once

#include "tests/support/control.h"

#define PROBLEM "problem"
#define WARNING "warning"

/* Runs doctor; it must exit with @status. @environment: as control_run() has it; @options: further ones. */
void examine_as(const char *environment, const char *options, int status);
/* There must be a problem. */
void examine(void);

/* Every finding, a JSON array; stays here. */
const json_t *examine_findings(void);
/* The first of a check in a state, about something with @about in it (NULL: anything). NULL: there is none. */
const json_t *examine_find(const char *check, const char *about, const char *state);
/* There is a finding of @check about what has @about in it, which says @found, means something, and has @cure. */
void examine_expect(const char *state, const char *check, const char *about, const char *found,
                    const char *cure);
/* Neither a problem nor a warning. */
void examine_expect_none(const char *check, const char *about);
