/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command line may go on with, along the table of commands.
 *
 * The shells' scripts (completion.h) hand over the words so far; they know nothing of commands themselves, so they never grow
 * old. Queues and types are those of the configuration. Pure, but for reading that.
 */
#pragma once

#include <stddef.h>

struct buf;
struct job_config;

/*
 * @words:  behind "jobctl"; the last one is being typed and may be ""
 * @config: NULL: names no queues and types
 *
 * Appends a line per candidate, "CANDIDATE\tDESCRIPTION\n", only those that begin with the last word; or the one line ":files" where a
 * file's name is wanted. Where the last word follows a lone "=" (bash cuts "--output=json" into three), the candidates are values.
 */
void complete_append(struct buf *b, const char *const *words, size_t n_words,
                     const struct job_config *config);

/* `jobctl __complete WORD…`, for those scripts. Return: an exit status; 0 also when there is nothing to say. */
int complete_main(int argc, char **argv);
