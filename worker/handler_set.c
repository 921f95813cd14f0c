/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/handler_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/context.h"
#include "worker/command.h"
#include "worker/frame.h"
#include "worker/http.h"
#include "worker/module.h"

/* Owns its strings in one piece: type, NUL, then each word with its NUL. */
struct entry {
    enum config_kind kind;
    char *text;
    char **
        words; /* NULL-terminated; command: argv; module: the path; http: the URL, its secrets, then what is allowed */
    size_t n_words;
    struct http *http;
};

struct handler_set {
    struct entry *entries;
    size_t n;
    struct modules *modules;
};

/* In front of each handler's strings. */
struct head {
    uint32_t kind, n_words, size;
};

/* --- Worker side ------------------------------------------------------------------------------------------------------- */

static void put_string(struct buf *out, const char *string)
{
    buf_append(out, string, strlen(string) + 1);
}

static void put_words(struct buf *out, struct head *head, char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_string(out, words[i]);
    head->n_words += (uint32_t)n;
}

void handler_set_put(struct buf *out, const struct config_handler *handler)
{
    size_t start = out->size;
    struct head head = { .kind = (uint32_t)handler->kind };
    buf_append(out, &head, sizeof(head));
    put_string(out, handler->type);
    put_words(out, &head, &handler->path, handler->path ? 1 : 0);
    put_words(out, &head, handler->argv, handler->n_argv);
    if (handler->url) {
        put_words(out, &head, &handler->url, 1);
        put_words(out, &head, &(char *){ handler->secret ? handler->secret : (char *)"" }, 1);
    }
    put_words(out, &head, handler->allow, handler->n_allow);
    if (out->failed)
        return;
    head.size = (uint32_t)(out->size - start - sizeof(head));
    memcpy(out->data + start, &head, sizeof(head));
}

/* --- Executor side ----------------------------------------------------------------------------------------------------- */

static int split(struct entry *entry, const struct head *head)
{
    char *at = entry->text, *end = entry->text + head->size;
    for (size_t i = 0; i < head->n_words; i++) {
        at += strlen(at) + 1;
        if (at >= end)
            return -EBADMSG;
        entry->words[i] = at;
    }
    return 0;
}

static int add_entry(struct handler_set *set, const struct head *head, const char *strings)
{
    struct entry *grown = reallocarray(set->entries, set->n + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    set->entries = grown;
    struct entry *entry = &grown[set->n++];
    *entry = (struct entry){
        .kind = head->kind,
        .text = malloc(head->size),
        .words = calloc(head->n_words + 1, sizeof(char *)),
        .n_words = head->n_words,
    };
    if (!entry->text || !entry->words)
        return -ENOMEM;
    memcpy(entry->text, strings, head->size);
    return split(entry, head);
}

static int load_http(struct entry *entry, struct err *reterr)
{
    if (entry->n_words < 2)
        return -EBADMSG;
    return http_new(&entry->http,
                    &(struct http_settings){ .url = entry->words[0],
                                             .secrets = entry->words[1],
                                             .allow = entry->words + 2,
                                             .n_allow = entry->n_words - 2 },
                    reterr);
}

static int load_entry(struct handler_set *set, struct entry *entry, struct err *reterr)
{
    switch (entry->kind) {
    case CONFIG_KIND_COMMAND:
        return command_check(entry->words[0], reterr);
    case CONFIG_KIND_HTTP:
        return load_http(entry, reterr);
    default:
        return modules_load(set->modules, entry->words[0], entry->text, reterr);
    }
}

int handler_set_load(struct handler_set **ret, struct span bytes, struct err *reterr)
{
    _cleanup_(handler_set_free_cleanup) struct handler_set *set = calloc(1, sizeof(*set));
    struct head head;
    int r = set ? modules_new(&set->modules) : -ENOMEM;
    for (const char *at = bytes.data, *end = at + bytes.size; r == 0; at += head.size) {
        if ((size_t)(end - at) < sizeof(head))
            break;
        memcpy(&head, at, sizeof(head));
        at += sizeof(head);
        if (head.size == 0)
            break;
        if (head.n_words == 0 || head.size > (size_t)(end - at) || at[head.size - 1] != 0)
            return -EBADMSG;
        r = add_entry(set, &head, at);
        if (r == 0)
            r = load_entry(set, &set->entries[set->n - 1], reterr);
    }
    if (r == 0)
        *ret = steal(set);
    return r;
}

struct handler_set *handler_set_free(struct handler_set *set)
{
    if (!set)
        return NULL;
    for (size_t i = 0; i < set->n; i++) {
        http_free(set->entries[i].http);
        free(set->entries[i].text);
        free(set->entries[i].words);
    }
    modules_free(set->modules);
    free(set->entries);
    free(set);
    return NULL;
}

static size_t match_size(const char *pattern, const char *type)
{
    size_t size = strlen(pattern);
    if (strcmp(pattern, type) == 0)
        return SIZE_MAX;
    return size >= 2 && strcmp(pattern + size - 2, ".*") == 0 && strncmp(type, pattern, size - 1) == 0 ? size
                                                                                                       : 0;
}

static const struct entry *find_entry(const struct handler_set *set, const char *type)
{
    const struct entry *best = NULL;
    size_t best_size = 0;
    for (size_t i = 0; i < set->n; i++) {
        size_t size = match_size(set->entries[i].text, type);
        if (size <= best_size)
            continue;
        best = &set->entries[i];
        best_size = size;
    }
    return best;
}

size_t handler_set_size(const struct handler_set *set)
{
    return set->n;
}

struct http *handler_set_find_http(const struct handler_set *set, const char *type, size_t *ret_index)
{
    const struct entry *entry = find_entry(set, type);
    if (!entry || entry->kind != CONFIG_KIND_HTTP)
        return NULL;
    *ret_index = (size_t)(entry - set->entries);
    return entry->http;
}

int handler_set_run(struct handler_set *set, struct job_context *ctx)
{
    const struct entry *entry = find_entry(set, ctx->type);
    if (entry && entry->kind == CONFIG_KIND_COMMAND)
        return command_run(ctx, entry->words);
    if (entry && entry->kind == CONFIG_KIND_HTTP)
        return http_run(entry->http, ctx);
    const struct job_handler *handler = entry ? modules_find(set->modules, ctx->type) : NULL;
    return handler ? job_context_run(ctx, handler) : FRAME_UNKNOWN_TYPE;
}
