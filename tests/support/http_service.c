/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http_service.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int http_service_start(void)
{
    int input[2], output[2], port = 0; /* the write end of input stays open until this process ends */
    ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        execl(HTTP_SERVICE, HTTP_SERVICE, NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    FILE *said = fdopen(output[0], "r");
    ck_assert_ptr_nonnull(said);
    ck_assert_int_eq(fscanf(said, "%d", &port), 1);
    fclose(said);
    return port;
}

static FILE *connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    FILE *stream = fdopen(fd, "r+");
    ck_assert_ptr_nonnull(stream);
    return stream;
}

char *http_service_ask(int port, const char *path)
{
    FILE *stream = connect_to(port);
    char *line = NULL, *body;
    size_t room = 0, size = 0;
    fprintf(stream, "GET %s HTTP/1.1\r\n\r\n", path);
    fflush(stream);
    while (getline(&line, &room, stream) > 2)
        sscanf(line, "content-length: %zu", &size);
    free(line);
    body = calloc(1, size + 1);
    ck_assert_ptr_nonnull(body);
    ck_assert_uint_eq(fread(body, 1, size, stream), size);
    fclose(stream);
    return body;
}
