/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http_service.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
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
