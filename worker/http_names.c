/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define STACK_SIZE (256 * 1024)

/* One look-up; becomes its answer. */
struct lookup {
    struct http_name_answer answer; /* first: it is freed by its address */
    int fd;
    int port;
    char host[];
};

static void append_address(struct buf *text, const struct addrinfo *info)
{
    char address[INET6_ADDRSTRLEN];
    bool is_v6 = info->ai_family == AF_INET6;
    const void *bytes = is_v6 ? (const void *)&((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_addr
                              : (const void *)&((struct sockaddr_in *)(void *)info->ai_addr)->sin_addr;
    if (inet_ntop(info->ai_family, bytes, address, sizeof(address)))
        buf_append_format(text, is_v6 ? "%s[%s]" : "%s%s", text->size ? "," : "", address);
}

static char *format_entry(const struct lookup *lookup, const struct addrinfo *first)
{
    _cleanup_buf_ struct buf addresses = { 0 };
    char *entry;
    for (const struct addrinfo *info = first; info; info = info->ai_next)
        append_address(&addresses, info);
    if (addresses.failed || addresses.size == 0 ||
        asprintf(&entry, "%s:%d:%s", lookup->host, lookup->port, addresses.data) < 0)
        return NULL;
    return entry;
}

static void *look_up(void *arg)
{
    struct lookup *lookup = arg;
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *first = NULL;
    int r = getaddrinfo(lookup->host, NULL, &hints, &first);
    lookup->answer.addresses = r == 0 ? format_entry(lookup, first) : NULL;
    lookup->answer.why = r != 0 ? gai_strerror(r) : "out of memory";
    if (first)
        freeaddrinfo(first);
    while (write(lookup->fd, &lookup, sizeof(lookup)) < 0 && errno == EINTR) {
    }
    return NULL;
}

static int start_thread(struct lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, look_up, lookup);
    pthread_attr_destroy(&attributes);
    return -error;
}

int http_names_ask(struct http_names *names, const char *host, int port, void *asker)
{
    size_t size = strlen(host) + 1;
    struct lookup *lookup = calloc(1, sizeof(*lookup) + size);
    if (!lookup)
        return -ENOMEM;
    *lookup = (struct lookup){ .answer.asker = asker, .fd = names->fds[1], .port = port };
    memcpy(lookup->host, host, size);
    int r = start_thread(lookup);
    if (r < 0)
        free(lookup);
    return r;
}

/* A pointer is written and read in one piece. */
struct http_name_answer *http_names_take(struct http_names *names)
{
    struct lookup *lookup;
    return read(names->fds[0], &lookup, sizeof(lookup)) == sizeof(lookup) ? &lookup->answer : NULL;
}

int http_names_init(struct http_names *names)
{
    if (pipe2(names->fds, O_CLOEXEC) < 0)
        return -errno;
    return fcntl(names->fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}
