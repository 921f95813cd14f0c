/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and SIGTERM as a flag, for commands that end between two steps and say how far they got. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* From now on they set the flag instead of ending the program; a second one ends it. */
void interrupt_begin(void);
bool interrupt_has_come(void);
/* Waits so long, or until one comes. Return: interrupt_has_come(). */
bool interrupt_wait(int64_t time_us);
/* Afterwards they end the program again. */
void interrupt_end(void);
