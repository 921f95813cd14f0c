/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail as libcurl sends it.
 *
 *     multipart/mixed, if there are attachments
 *     ├ multipart/alternative
 *     │ ├ text/plain
 *     │ └ multipart/related, if there are inline images
 *     │   ├ text/html
 *     │   └ the images
 *     └ the attachments
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

struct mail;

struct mime {
    curl_mime *parts;
    struct curl_slist *headers;
};

/* @ret: overwritten; release with mime_done() in any case, after the transfer. Return: false: no memory. */
bool mime_build(CURL *curl, const struct mail *mail, struct mime *ret);
void mime_done(struct mime *mime);

/* Return: false: no memory, and @list is as it was. */
bool mime_append(struct curl_slist **list, const char *text);
