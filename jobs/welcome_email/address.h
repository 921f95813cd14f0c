/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail address, as an envelope and a header may have it.
 *
 * A domain that is not ASCII becomes its A-label (IDNA 2008 with the mapping of UTS 46), which every server
 * takes. A part before the @ that is not ASCII stays UTF-8: only a server with SMTPUTF8 (RFC 6531) takes it.
 */
#pragma once

#include <stdbool.h>

#define ADDRESS_MAX 254 /* bytes; RFC 5321 leaves that much of a path of 256 */

struct address {
    char text[ADDRESS_MAX + 1]; /* local@domain, nothing quoted, no comment, the domain in ASCII */
    bool international;         /* the part before the @ is not ASCII */
};

/* @text: of header_is_text(). Return: NULL and @ret set; else what is wrong, to be said behind a field's name. */
const char *address_parse(const char *text, struct address *ret);

/* Behind the @. */
const char *address_domain(const struct address *address);
