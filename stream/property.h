/* SPDX-License-Identifier: Apache-2.0 */
/* Is a property of the configuration one that librdkafka takes, and that this project can work with? */
#pragma once

#include "base/err.h"

/*
 * Asks no server. Return: 0; 1 with "expected …" in @reterr: unknown (with the nearest name, if it is close), a
 * value that cannot be, or another one than a promise rests on. Values are not shown, unless librdkafka does.
 */
int property_check(const char *name, const char *value, struct err *reterr);
