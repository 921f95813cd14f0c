/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page jobctl(1), made of the table of commands. Format: man(7). */
#pragma once

struct buf;

void man_append(struct buf *b);
