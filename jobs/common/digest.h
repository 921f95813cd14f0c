/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of what a handler has made, by OpenSSL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_SIZE 65 /* in hexadecimal, with its NUL */

struct digest {
    void *state; /* EVP_MD_CTX; NULL: there was no memory, or it has ended */
};

/* Return: false: there is no memory; digest_end() then gives "". */
bool digest_init(struct digest *digest);

void digest_add(struct digest *digest, const void *bytes, size_t size);

/* Releases it. Return: false, and "" in @ret, when it could not be made. */
bool digest_end(struct digest *digest, char ret[static DIGEST_TEXT_SIZE]);
