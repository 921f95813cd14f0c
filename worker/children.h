/* SPDX-License-Identifier: Apache-2.0 */
/* The end of every child of this process, also of those that a subreaper inherited. */
#pragma once

/* Kills and waits until there is none left. A child's process group goes with it, unless it is the caller's own. */
void children_end(void);
