/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

struct network {
    uint8_t bytes[16];
    int bits;
};

/* IANA's special-purpose registries, without what is globally reachable. */
static const struct network closed_v4[] = {
    { { 0 }, 8 },             /* this network, unspecified */
    { { 10 }, 8 },            /* private */
    { { 100, 64 }, 10 },      /* shared by carriers */
    { { 127 }, 8 },           /* loopback */
    { { 169, 254 }, 16 },     /* link-local; metadata services of clouds */
    { { 172, 16 }, 12 },      /* private */
    { { 192, 0, 0 }, 24 },    /* protocol assignments */
    { { 192, 0, 2 }, 24 },    /* documentation */
    { { 192, 88, 99 }, 24 },  /* relays of 6to4 */
    { { 192, 168 }, 16 },     /* private */
    { { 198, 18 }, 15 },      /* benchmarks */
    { { 198, 51, 100 }, 24 }, /* documentation */
    { { 203, 0, 113 }, 24 },  /* documentation */
    { { 224 }, 4 },           /* multicast */
    { { 240 }, 4 },           /* reserved, broadcast */
};

/* Only 2000::/3 is in public use, so what is refused outside of it needs no row. */
static const struct network open_v6 = { { 0x20 }, 3 };
static const struct network closed_v6[] = {
    { { 0x20, 0x01 }, 23 },             /* protocol assignments: Teredo, ORCHID, benchmarks */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
    { { 0x3f, 0xff }, 20 },             /* documentation */
};

/* IPv6 networks whose addresses contain an IPv4 address, and where: that one decides. */
static const struct {
    struct network network;
    size_t at;
} embeddings[] = {
    { { { [10] = 0xff, [11] = 0xff }, 96 }, 12 }, /* v4-mapped */
    { { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 },   /* NAT64 */
    { { { 0x20, 0x02 }, 16 }, 2 },                /* 6to4 */
};

static bool is_in(const uint8_t *bytes, const struct network *network)
{
    size_t whole = (size_t)network->bits / 8;
    int rest = network->bits % 8;
    if (memcmp(bytes, network->bytes, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

static bool is_in_any(const uint8_t *bytes, const struct network *networks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_in(bytes, &networks[i]))
            return true;
    return false;
}

static bool is_public_v4(const uint8_t *bytes)
{
    return !is_in_any(bytes, closed_v4, ARRAY_SIZE(closed_v4));
}

static bool is_public_v6(const uint8_t *bytes)
{
    for (size_t i = 0; i < ARRAY_SIZE(embeddings); i++)
        if (is_in(bytes, &embeddings[i].network))
            return is_public_v4(bytes + embeddings[i].at);
    return is_in(bytes, &open_v6) && !is_in_any(bytes, closed_v6, ARRAY_SIZE(closed_v6));
}

/* Copies, because a struct sockaddr may lie at any address. Return: bytes of the address, 0: of no known family. */
static size_t address_bytes(const struct sockaddr *address, uint8_t *ret)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof(v4));
        memcpy(ret, &v4.sin_addr, 4);
        return 4;
    case AF_INET6:
        memcpy(&v6, address, sizeof(v6));
        memcpy(ret, &v6.sin6_addr, 16);
        return 16;
    default:
        return 0;
    }
}

bool http_guard_is_public(const struct sockaddr *address)
{
    uint8_t bytes[16];
    size_t size = address_bytes(address, bytes);
    return size == 4 ? is_public_v4(bytes) : size == 16 && is_public_v6(bytes);
}

/* Return: bytes of the address, 0: it is no network. */
static size_t parse_network(const char *text, struct network *ret)
{
    char address[64], *slash, *end;
    if (strlen(text) >= sizeof(address))
        return 0;
    snprintf(address, sizeof(address), "%s", text);
    slash = strchr(address, '/');
    if (slash)
        *slash = 0;
    size_t size = inet_pton(AF_INET, address, ret->bytes) == 1    ? 4
                  : inet_pton(AF_INET6, address, ret->bytes) == 1 ? 16
                                                                  : 0;
    long bits = slash ? strtol(slash + 1, &end, 10) : (long)size * 8;
    if (slash && (end == slash + 1 || *end || slash[1] < '0' || slash[1] > '9'))
        return 0;
    if (bits > (long)size * 8)
        return 0;
    ret->bits = (int)bits;
    return size;
}

bool http_guard_is_in(const struct sockaddr *address, const char *network)
{
    struct network parsed;
    uint8_t bytes[16];
    size_t size = address_bytes(address, bytes);
    return size && parse_network(network, &parsed) == size && is_in(bytes, &parsed);
}

bool http_guard_allows(const struct sockaddr *address, const char *host, char *const *allow, size_t n_allow)
{
    if (http_guard_is_public(address))
        return true;
    for (size_t i = 0; i < n_allow; i++)
        if (strcasecmp(host, allow[i]) == 0 || http_guard_is_in(address, allow[i]))
            return true;
    return false;
}
