/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses an HTTP handler may connect to: the public Internet, and what its configuration allows beside it.
 *
 * Asked with the address after resolving and before connecting, so that no spelling and no name server gets around it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* False for addresses of this machine, of private, shared and local networks, for multicast and reserved ones, and for IPv6
 * addresses in which such an IPv4 address is embedded. False also for every other family. */
bool http_guard_is_public(const struct sockaddr *address);

/* Is it in @network, an address with or without "/bits"? False when @network is none. */
bool http_guard_is_in(const struct sockaddr *address, const char *network);

/* @allow: networks, and names that may lead anywhere; @host: the one in the URL. */
bool http_guard_allows(const struct sockaddr *address, const char *host, char *const *allow, size_t n_allow);
