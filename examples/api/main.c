/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A web service that leaves its slow work to libjob: options, start and end. README.md beside this file shows what it does.
 *
 * Each connection has a thread, so that everything below is straight-line code that may wait for PostgreSQL, Kafka or a disk.
 */
#include "api.h"

#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 100
#define IDLE_S 30
#define DRAIN_S 30

enum { LISTEN, UPLOADS, MAX_UPLOAD_MIB, DATABASE, KAFKA, PREFIX, N_OPTIONS };

static struct {
    const char *name, *variable, *value, *help;
} options[N_OPTIONS] = {
    [LISTEN] = { "listen", "API_LISTEN", "127.0.0.1:8090", "HOST:PORT; port 0: any that is free" },
    [UPLOADS] = { "uploads", "API_UPLOADS", "uploads", "folder of videos, $ENCODE_INPUT of the worker" },
    [MAX_UPLOAD_MIB] = { "max-upload-mib", "API_MAX_UPLOAD_MIB", "1024", "largest video" },
    [DATABASE] = { "database", "JOB_DATABASE_URL", "", "PostgreSQL, with libjob's schema" },
    [KAFKA] = { "kafka", "JOB_KAFKA", "127.0.0.1:9092", "Kafka's brokers" },
    [PREFIX] = { "prefix", "API_PREFIX", "job", "of the names of topics" },
};

static void print_help(void)
{
    puts("usage: api [OPTION…]\n\nHTTP service on libjob; SIGTERM ends it when its requests are answered.\n");
    for (int i = 0; i < N_OPTIONS; i++)
        printf("  --%-15s %s; $%s, now: %s\n", options[i].name, options[i].help, options[i].variable,
               i == DATABASE && *options[i].value ? "(given)" : options[i].value);
}

/* Return: 0; 2 for wrong usage; -1 when all is done. */
static int read_options(int argc, char **argv)
{
    struct option table[N_OPTIONS + 2] = { [N_OPTIONS] = { "help", no_argument, NULL, N_OPTIONS } };
    for (int i = 0; i < N_OPTIONS; i++) {
        const char *value = getenv(options[i].variable);
        options[i].value = value ? value : options[i].value;
        table[i] = (struct option){ options[i].name, required_argument, NULL, i };
    }
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (c == N_OPTIONS) {
            print_help();
            return -1;
        }
        if (c == '?')
            return 2;
        options[c].value = optarg;
    }
    if (optind < argc)
        fprintf(stderr, "api: %s? (--help)\n", argv[optind]);
    return optind < argc ? 2 : 0;
}

static bool open_uploads(struct api *api)
{
    char *end;
    unsigned long mib = strtoul(options[MAX_UPLOAD_MIB].value, &end, 10);
    if (*end || mib < 1 || mib > 1024 * 1024) {
        fprintf(stderr, "api: max-upload-mib is not a number from 1 to 1048576\n");
        return false;
    }
    api->max_upload_bytes = (uint64_t)mib << 20;
    api->uploads = open(options[UPLOADS].value, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = api->uploads < 0 ? -1 : openat(api->uploads, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) { /* also on file systems without O_TMPFILE */
        fprintf(stderr, "api: no upload can be written to %s: %m\n", options[UPLOADS].value);
        return false;
    }
    close(fd);
    return true;
}

static bool open_all(struct api *api)
{
    struct job_client_options client = {
        .brokers = options[KAFKA].value,
        .prefix = options[PREFIX].value,
        .database_url = options[DATABASE].value,
        .linger_ms = -1, /* a request waits for each job */
    };
    if (!open_uploads(api) || !(api->users = users_open(options[DATABASE].value)))
        return false;
    int r = job_client_open(&api->client, &client);
    if (r)
        fprintf(stderr, "api: %s (%s)\n", job_strerror(r), job_client_error(NULL));
    return r == 0;
}

static void close_all(struct api *api)
{
    if (api->client)
        job_client_close(api->client, 5000);
    users_close(api->users);
    if (api->uploads >= 0)
        close(api->uploads);
}

/* "HOST:PORT", "[IPV6]:PORT" or ":PORT". */
static struct addrinfo *find_address(const char *text)
{
    char host[256];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found = NULL;
    const char *colon = strrchr(text, ':');
    size_t bracket = text[0] == '[';
    int size = colon ? (int)(colon - text) - 2 * (int)bracket : -1;
    snprintf(host, sizeof(host), "%.*s", size > 0 ? size : 0, text + bracket);
    int error = size < 0 ? EAI_NONAME : getaddrinfo(size ? host : NULL, colon + 1, &hints, &found);
    if (error)
        fprintf(stderr, "api: listen: %s: %s\n", text, gai_strerror(error));
    return error ? NULL : found;
}

static struct MHD_Daemon *start_http(struct api *api)
{
    struct addrinfo *address = find_address(options[LISTEN].value);
    if (!address)
        return NULL;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
                     MHD_USE_ITC | MHD_USE_ERROR_LOG | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    struct MHD_Daemon *http =
        MHD_start_daemon(flags, 0, NULL, NULL, http_on_request, api, MHD_OPTION_SOCK_ADDR, address->ai_addr,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                         MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, NULL, MHD_OPTION_END);
    freeaddrinfo(address);
    if (http)
        printf("listening on port %u\n", MHD_get_daemon_info(http, MHD_DAEMON_INFO_BIND_PORT)->port);
    else
        fprintf(stderr, "api: cannot listen on %s\n", options[LISTEN].value);
    fflush(stdout);
    return http;
}

/* No new connections, then what is under way is answered, then everything ends. */
static void stop_http(struct MHD_Daemon *http)
{
    MHD_socket listening = MHD_quiesce_daemon(http);
    shutdown(listening, SHUT_RDWR); /* the kernel would go on to accept */
    http_drain(DRAIN_S);
    MHD_stop_daemon(http);
    close(listening);
}

int main(int argc, char **argv)
{
    struct api api = { .uploads = -1 };
    struct MHD_Daemon *http = NULL;
    sigset_t ends;
    int signal_number, usage = read_options(argc, argv);
    if (usage)
        return usage > 0 ? usage : 0;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before there are threads: they inherit it */
    signal(SIGPIPE, SIG_IGN);
    if (open_all(&api) && (http = start_http(&api))) {
        sigwait(&ends, &signal_number);
        stop_http(http);
    }
    close_all(&api);
    return http ? 0 : 1;
}
