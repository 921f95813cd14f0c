/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the manual page jobctl(1); run when it is built. */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/line/man.h"

int main(void)
{
    _cleanup_buf_ struct buf text = { 0 };
    man_append(&text);
    return text.failed || fputs(text.data, stdout) < 0 || fflush(stdout) != 0;
}
