/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dead letter as people change it: a JSON document with the members queue, type, key, max_attempts, timeout, tags, content_type, headers
 * and payload.
 *
 * A payload that is said to be JSON stands there as it is, spread over lines; so one that is none makes the document wrong at the very place
 * where it is to be mended. Other text is the member payload_text, other bytes are payload_base64. A payload whose text has not been
 * changed keeps its bytes, whatever space is in them. What the members have no room for stays in headers, under its own name.
 *
 * Whether what comes out can run is judged by envelope_decode(), as for any message. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "base/uuid.h"

struct letter {
    struct uuid id;
    char *queue, *type; /* owned; type NULL: it named none */
    struct buf key, payload;
    bool has_key, has_payload;
    json_t *headers; /* owned: an object as job.dead has it */
};

/* Copies all of it. @headers_json: "{…}". Return: 0; -ENOMEM, also for headers that are no object. letter_done() in each case. */
int letter_init(struct letter *l, const struct uuid *id, const char *queue, const char *type, struct span key,
                const char *headers_json, struct span payload);
int letter_copy(struct letter *to, const struct letter *from);
void letter_done(struct letter *l);
bool letter_equal(const struct letter *a, const struct letter *b);

enum letter_outcome {
    LETTER_INVALID = 1, /* @reterr names the line, or the option, and the rule */
    LETTER_EMPTY = 2,   /* nothing is in the document */
};

/* The document, without comments. */
void letter_append(struct buf *b, const struct letter *l);

/*
 * Reads the document that somebody made of @was, and checks that the letter can run. @ret is letter_done()'d by the caller.
 * Return: 0; LETTER_INVALID; LETTER_EMPTY; -ENOMEM.
 */
int letter_parse(struct letter *ret, const struct letter *was, struct span document, struct err *reterr);

/*
 * Sets one option: queue, type, key, max_attempts, timeout, tags (comma-separated), content_type, or headers.NAME; "" takes it away.
 * Return: 0; LETTER_INVALID; -ENOMEM.
 */
int letter_set(struct letter *l, const char *name, const char *value, struct err *reterr);
/* Return: 0; -ENOMEM. */
int letter_set_payload(struct letter *l, struct span payload);
/* Is its payload said to be JSON? */
bool letter_says_json(const struct letter *l);

/*
 * Could it be replayed? @ret_member (may be NULL): the member that is wrong, for whoever knows its line; "" when that is not known.
 * Return: 0; LETTER_INVALID; -ENOMEM.
 */
int letter_check(const struct letter *l, const char **ret_member, struct err *reterr);
/* The headers as a JSON text; to be freed. NULL without memory. */
char *letter_headers(const struct letter *l);
