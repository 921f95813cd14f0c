/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many recipients of one domain get mail per unit of time, for all processes of a machine that share a file.
 *
 * Each domain has a token bucket, kept as the time at which it will be full again (GCRA): one number in a slot of
 * the file, changed under a lock that the kernel drops if its holder dies. A mail takes a token for each of its
 * recipients, of all their domains or of none. One that finds too few is told when to come back; since
 * those who wait are told times one after the other, they do not all come at once.
 *
 * The file may be deleted at any time: then every bucket is full. It has no names, only hashes; where two domains
 * meet in one slot they share its bucket, which is too slow and never too fast.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_RULES_MAX 64

struct rate_rule {
    char domain[256];    /* lower case; "*": any other */
    int64_t interval_ns; /* from one token to the next */
    int64_t burst;       /* tokens of a full bucket */
};

struct rate_rules {
    struct rate_rule rows[RATE_RULES_MAX];
    size_t n_rows;
};

/**
 * rate_parse() - read "gmail.com=20/s example.org=600/h:10 *=5/s"
 *
 * A rate is tokens per s, m or h; behind the colon is how many a full bucket has, without it as many as before the
 * slash. Blanks or commas between the rules.
 *
 * Return: NULL and @ret set; else the rule that is none, in @text.
 */
const char *rate_parse(const char *text, struct rate_rules *ret);

/* The rule for @domain, any case; NULL: there is no limit. */
const struct rate_rule *rate_find(const struct rate_rules *rules, const char *domain);

/* Tokens that one mail asks for. */
struct rate_demand {
    const struct rate_rule *rule;
    const char *domain;
    int64_t n_tokens; /* more than the burst: granted when the bucket is full */
};

/**
 * rate_take() - take all tokens or none
 * @path:        the file; made if it is not there, for this user only
 * @demands:     at most 100
 * @now_ns:      of a clock that all processes share
 * @ret_wait_ns: 0: they are taken; else when to ask again
 *
 * Blocks for a lock that is held for microseconds.
 *
 * Return: 0; negative errno: the file cannot be used, nothing is taken.
 */
int rate_take(const char *path, const struct rate_demand *demands, size_t n_demands, int64_t now_ns,
              int64_t *ret_wait_ns);
