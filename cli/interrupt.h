/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and SIGTERM as a flag, for commands that end between two steps and say how far they got. */
#pragma once

#include <stdbool.h>

/* From now on they set the flag instead of ending the program; a second one ends it. */
void interrupt_begin(void);
bool interrupt_has_come(void);
/* Afterwards they end the program again. */
void interrupt_end(void);
