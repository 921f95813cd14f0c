/* SPDX-License-Identifier: Apache-2.0 */
#include "common/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

static void forget(struct digest *digest)
{
    EVP_MD_CTX_free(digest->state);
    digest->state = NULL;
}

bool digest_init(struct digest *digest)
{
    digest->state = EVP_MD_CTX_new();
    if (digest->state && EVP_DigestInit_ex(digest->state, EVP_sha256(), NULL) != 1)
        forget(digest);
    return digest->state;
}

void digest_add(struct digest *digest, const void *bytes, size_t size)
{
    if (digest->state && EVP_DigestUpdate(digest->state, bytes, size) != 1)
        forget(digest);
}

bool digest_end(struct digest *digest, char ret[static DIGEST_TEXT_SIZE])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    bool done = digest->state && EVP_DigestFinal_ex(digest->state, hash, &size) == 1;
    ret[0] = 0;
    for (unsigned i = 0; done && i < size && i < DIGEST_TEXT_SIZE / 2; i++)
        snprintf(ret + (size_t)i * 2, 3, "%02x", hash[i]);
    forget(digest);
    return done;
}
