/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of hosts, resolved beside a loop that must not wait.
 *
 * getaddrinfo() blocks for as long as name servers let it, so each look-up has a thread of its own, which writes its answer into a
 * pipe and ends. Who asks sees to it that a name is asked for once at a time: curl's own resolver would start a thread for each of a
 * thousand requests to the same host.
 */
#pragma once

#include "base/cleanup.h"

struct http_names {
    int fds[2]; /* [0]: readable when there are answers */
};

struct http_name_answer {
    void *asker;
    char *addresses; /* "host:port:address,…", as CURLOPT_RESOLVE has it; NULL: there are none */
    const char *why; /* then; a literal */
};

/* Return: 0; negative errno. */
int http_names_init(struct http_names *names);

/* @host is copied. Return: 0, and http_names_take() has the answer in time; negative errno. */
int http_names_ask(struct http_names *names, const char *host, int port, void *asker);

/* Return: free() it and its addresses; NULL: there is none now. */
struct http_name_answer *http_names_take(struct http_names *names);
