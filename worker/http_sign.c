/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_sign.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "base/cleanup.h"

#define PREFIX "whsec_"
#define MAC_SIZE 32 /* of SHA-256 */

/* --- Keys -------------------------------------------------------------------------------------------------------------- */

/* EVP_DecodeBlock() counts the padding as bytes. */
static int decode(const char *text, size_t size, unsigned char *bytes, size_t *ret_size)
{
    unsigned char whole[HTTP_KEY_MAX + 3];
    size_t padding = 0;
    if (size == 0 || size % 4 || size / 4 * 3 > sizeof(whole))
        return -EINVAL;
    while (padding < 2 && text[size - 1 - padding] == '=')
        padding++;
    int n = EVP_DecodeBlock(whole, (const unsigned char *)text, (int)size);
    if (n < 0 || (size_t)n - padding < HTTP_KEY_MIN || (size_t)n - padding > HTTP_KEY_MAX)
        return -EINVAL;
    *ret_size = (size_t)n - padding;
    memcpy(bytes, whole, *ret_size);
    OPENSSL_cleanse(whole, sizeof(whole));
    return 0;
}

int http_keys_parse(const char *text, struct http_keys *ret)
{
    const size_t prefix = strlen(PREFIX);
    struct http_keys keys = { 0 };
    for (const char *at = text + strspn(text, CONFIG_BLANKS); *at; at += strspn(at, CONFIG_BLANKS)) {
        size_t size = strcspn(at, CONFIG_BLANKS);
        if (keys.n == CONFIG_SECRETS_MAX || size < prefix || memcmp(at, PREFIX, prefix) != 0)
            return -EINVAL;
        int r = decode(at + prefix, size - prefix, keys.keys[keys.n].bytes, &keys.keys[keys.n].size);
        if (r < 0)
            return r;
        keys.n++;
        at += size;
    }
    *ret = keys;
    return 0;
}

/* --- Signatures -------------------------------------------------------------------------------------------------------- */

DEFINE_CLEANUP(EVP_MAC *, EVP_MAC_free)
DEFINE_CLEANUP(EVP_MAC_CTX *, EVP_MAC_CTX_free)

static bool update(EVP_MAC_CTX *context, struct span bytes)
{
    return bytes.size == 0 || EVP_MAC_update(context, (const unsigned char *)bytes.data, bytes.size) == 1;
}

int http_keys_sign(const struct http_keys *keys, const char *id, int64_t time_s, struct span body,
                   struct buf *signature)
{
    _cleanup_(EVP_MAC_free_cleanup) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    _cleanup_(EVP_MAC_CTX_free_cleanup) EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    _cleanup_buf_ struct buf head = { 0 };
    buf_append_format(&head, "%s.%" PRId64 ".", id, time_s);
    if (!context || head.failed)
        return -ENOMEM;
    for (size_t i = 0; i < keys->n; i++) {
        unsigned char bytes[MAC_SIZE], text[4 * ((MAC_SIZE + 2) / 3) + 1];
        size_t size;
        if (EVP_MAC_init(context, keys->keys[i].bytes, keys->keys[i].size, params) != 1 ||
            !update(context, (struct span){ head.data, head.size }) || !update(context, body) ||
            EVP_MAC_final(context, bytes, &size, sizeof(bytes)) != 1)
            return -ENOMEM;
        EVP_EncodeBlock(text, bytes, (int)size);
        buf_append_format(signature, "%sv1,%s", i ? " " : "", (const char *)text);
    }
    return signature->failed ? -ENOMEM : 0;
}
