/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that are longer than the terminal go through $PAGER, as git does it.
 *
 * $PAGER is a command line for the shell; "" and "cat" mean none, unset means less. less gets LESS=FRX unless $LESS says something. Whatever is said on
 * standard error behind the table goes to dialog_say_later().
 */
#pragma once

#include "cli/invocation.h"

/* Runs the command, whose output may go through the pager when it only looks, on a terminal, without --no-pager. Return: an enum status. */
int pager_run(struct invocation *in, struct err *reterr);
