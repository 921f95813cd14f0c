/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* Of IANA's registry of special IPv4 addresses, and multicast with all that is above it. */
static const struct {
    uint32_t network;
    int bits;
} special[] = {
    { IPV4(0, 0, 0, 0), 8 },       { IPV4(10, 0, 0, 0), 8 },     { IPV4(100, 64, 0, 0), 10 },
    { IPV4(127, 0, 0, 0), 8 },     { IPV4(169, 254, 0, 0), 16 }, { IPV4(172, 16, 0, 0), 12 },
    { IPV4(192, 0, 0, 0), 24 },    { IPV4(192, 0, 2, 0), 24 },   { IPV4(192, 31, 196, 0), 24 },
    { IPV4(192, 52, 193, 0), 24 }, { IPV4(192, 88, 99, 0), 24 }, { IPV4(192, 168, 0, 0), 16 },
    { IPV4(192, 175, 48, 0), 24 }, { IPV4(198, 18, 0, 0), 15 },  { IPV4(198, 51, 100, 0), 24 },
    { IPV4(203, 0, 113, 0), 24 },  { IPV4(224, 0, 0, 0), 3 },
};

static bool is_public_v4(uint32_t address)
{
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if ((address ^ special[i].network) >> (32 - special[i].bits) == 0)
            return false;
    return true;
}

/* Global unicast is 2000::/3 alone; out of it come IETF's 2001::/23 (Teredo), 2001:db8::/32, 2002::/16 (6to4), 3fff::/20, 2620:4f:8000::/48. */
static bool is_public_v6(const uint8_t a[16])
{
    bool global = (a[0] & 0xe0) == 0x20, ietf = a[0] == 0x20 && a[1] == 0x01 && a[2] < 2,
         documentation = (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8) ||
                         (a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10),
         six_to_four = a[0] == 0x20 && a[1] == 0x02,
         as112 = memcmp(a, (const uint8_t[]){ 0x26, 0x20, 0x00, 0x4f, 0x80, 0x00 }, 6) == 0;
    return global && !ietf && !documentation && !six_to_four && !as112;
}

bool guard_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return is_public_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        return is_public_v6(v6.sin6_addr.s6_addr);
    }
    return false;
}
