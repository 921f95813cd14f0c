/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses a video may be fetched from: those of the public Internet. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* False for this machine, private, shared, local, multicast, reserved and documentation networks, for IPv6 addresses with an IPv4
 * address inside, and for every other family. */
bool guard_is_public(const struct sockaddr *address);
