/* SPDX-License-Identifier: Apache-2.0 */
/* One moment of jobctl top, for scripts. */
#pragma once

#include "cli/invocation.h"
#include "cli/top/picture.h"

/* As one JSON object, or as text of any length. Return: an enum status. */
int top_once_print(const struct invocation *in, const struct picture *p, struct err *reterr);
