/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest useful handler: counts the words of its payload. The configuration names handler.so. */
#include <ctype.h>
#include <job_handler.h>
#include <stdio.h>

static int count_words(struct job_context *ctx)
{
    size_t size, words = 0;
    const char *text = job_context_payload(ctx, &size);
    if (size == 0)
        return job_fail(ctx, "there is no text"); /* trying again would not help */
    for (size_t i = 0; i < size; i++)
        words += !isspace((unsigned char)text[i]) && (i + 1 == size || isspace((unsigned char)text[i + 1]));

    char result[64];
    int n = snprintf(result, sizeof(result), "{\"words\": %zu}", words);
    job_set_result(ctx, result, (size_t)n);
    return JOB_DONE;
}

static const struct job_handler handlers[] = { { .type = "count_words", .run = count_words } };
const struct job_module job_module = JOB_MODULE(handlers);
