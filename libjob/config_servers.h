/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that only the servers' own libraries know, for config_load(): the one place that hands them over. */
#pragma once

#include "libjob/config.h"

extern const struct config_rules config_server_rules;
