/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of Standard Webhooks, so that a web service can tell our requests from anybody's.
 *
 * HMAC-SHA256 over "<id>.<seconds since 1970>.<body>" with each key, "v1,<base64> v1,<base64>". Two keys are for a change without a
 * gap: the service accepts a request that any of its keys fits.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "libjob/config.h"

#define HTTP_KEY_MIN 24 /* bytes; what the specification says */
#define HTTP_KEY_MAX 64

struct http_keys {
    struct {
        unsigned char bytes[HTTP_KEY_MAX];
        size_t size;
    } keys[CONFIG_SECRETS_MAX];
    size_t n;
};

/* @text: "whsec_<base64> …", separated by blanks; what config_load() has let through. Return: 0; -EINVAL. */
int http_keys_parse(const char *text, struct http_keys *ret);

/* Appends the value of webhook-signature. Return: 0; -ENOMEM. */
int http_keys_sign(const struct http_keys *keys, const char *id, int64_t time_s, struct span body,
                   struct buf *signature);
