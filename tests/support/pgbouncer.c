/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/pgbouncer.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define POOL_SIZE 2 /* of server connections, for any number of clients */
#define LIMIT_US (20 * USEC_PER_SEC)

static int open_loopback(int port, int (*use)(int, const struct sockaddr *, socklen_t), int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int r = use(fd, (struct sockaddr *)&address, sizeof(address));
    if (r == 0 && ret_port && getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        *ret_port = ntohs(address.sin_port);
    close(fd);
    return r;
}

static void write_config(const char *path, const char *url, int port)
{
    char user[64], host[64], server_port[8];
    ck_assert_int_eq(sscanf(url, "postgresql://%63[^@]@%63[^:]:%7[0-9]/", user, host, server_port), 3);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "[databases]\n* = host=%s port=%s user=%s\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\n"
            "pool_mode = transaction\ndefault_pool_size = %d\n",
            host, server_port, user, port, POOL_SIZE);
    if (geteuid() == 0)
        fprintf(file, "user = nobody\n"); /* it does not want to be root */
    ck_assert_int_eq(fclose(file), 0);
}

static void await_port(int port)
{
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    while (open_loopback(port, connect, NULL) != 0) {
        ck_assert_msg(clock_mono_us() < deadline_us, "PgBouncer does not answer");
        poll(NULL, 0, 20);
    }
}

void pgbouncer_start(const char *folder, const char *url, char *ret_url, size_t size)
{
    char config[512];
    int port = 0;
    ck_assert_int_eq(open_loopback(0, bind, &port), 0);
    snprintf(config, sizeof(config), "%s/pgbouncer.ini", folder);
    write_config(config, url, port);
    pid_t test = getpid(), pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != test || !freopen("/dev/null", "w", stderr))
            _exit(1);
        execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", config, (char *)NULL);
        _exit(127);
    }
    await_port(port);
    snprintf(ret_url, size, "postgresql://127.0.0.1:%d/%s", port, strrchr(url, '/') + 1);
}
