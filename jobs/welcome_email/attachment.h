/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes along with a mail: files of one folder, or bytes of the payload.
 *
 * A file's name is relative and the kernel itself keeps it beneath the folder (openat2), whatever links lie
 * there. Everything is read before anything is sent.
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>

#define ATTACHMENTS_MAX 32
#define ATTACHMENT_NAME_MAX 255  /* bytes, of what the recipient sees */
#define ATTACHMENT_FILE_MAX 1024 /* bytes, of a path */

struct attachment {
    char *data;
    size_t size;
    const char *name, *type; /* of the payload, or constants */
    const char *cid;         /* an inline image's name in the HTML part, as in src="cid:logo"; else NULL */
};

struct attachments {
    struct attachment rows[ATTACHMENTS_MAX];
    size_t n_rows;
};

/**
 * attachments_read() - check and read what a payload lists
 * @list:     of {"file" | "content", "name", "type", "cid"}; NULL: nothing
 * @folder:   of "file"; NULL: there is none
 * @max_size: bytes, all together
 * @ret:      overwritten; release with attachments_done() whatever the verdict; borrows from @list
 *
 * Return: JOB_DONE; JOB_FAIL: an entry asks for what is not allowed; JOB_RETRY: a file or the folder is not there. Error set.
 */
int attachments_read(struct job_context *ctx, const json_t *list, const char *folder, size_t max_size,
                     struct attachments *ret);
void attachments_done(struct attachments *attachments);
