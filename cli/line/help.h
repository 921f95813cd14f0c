/* SPDX-License-Identifier: Apache-2.0 */
/* Help from the table of commands. */
#pragma once

struct buf;

/* @topic: "" for all of jobctl, a group's name, or a command's path. */
void help_append(struct buf *b, const char *topic);
