/* SPDX-License-Identifier: Apache-2.0 */
/* What option_file.c and option.c share; the only header that includes libconfig's. */
#pragma once

#include <libconfig.h>
#include <stddef.h>

#include "base/err.h"

struct option_file {
    config_t tree;
    char *path;
    char *directory;
};

/*
 * All of @path into @ret_text, NUL-terminated. @forbidden: mode bits that the file must not have. Return: 0;
 * OPTION_MISSING; OPTION_INVALID (the text says why, without the path); negative errno.
 */
int option_read_bytes(const char *path, size_t max, unsigned forbidden, char **ret_text, size_t *ret_size,
                      struct err *reterr);

/* "<file>:<line>" of @setting into @text. Return: @text. */
char *option_place(const struct option_file *file, const config_setting_t *setting, char *text, size_t size);
#define OPTION_PLACE_SIZE 512
