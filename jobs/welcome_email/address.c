/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <idn2.h>
#include <stdio.h>
#include <string.h>

#include "header.h"

#define LOCAL_PART_MAX 64 /* bytes */
#define LABEL_MAX 63

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/*
 * True when @text is @size bytes of @allowed, or of any above ASCII if @international, in parts of 1 … @part_max
 * bytes with dots between.
 */
static bool is_dotted(const char *text, size_t size, const char *allowed, size_t part_max, bool international)
{
    size_t part = 0;
    for (size_t i = 0; i < size; i++) {
        bool is_dot = text[i] == '.', ends = i + 1 == size || text[i + 1] == '.';
        bool is_allowed = strchr(allowed, text[i]) || (international && (unsigned char)text[i] >= 0x80);
        part = is_dot ? 0 : part + 1;
        if ((is_dot && (i == 0 || ends)) || (!is_dot && !is_allowed) || part > part_max)
            return false;
    }
    return size > 0;
}

static bool is_local_part(const char *text, size_t size)
{
    return size <= LOCAL_PART_MAX &&
           is_dotted(text, size, LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~", LOCAL_PART_MAX, true);
}

static bool is_domain(const char *domain)
{
    size_t size = strlen(domain);
    return is_dotted(domain, size, LETTERS DIGITS "-", LABEL_MAX, false) && domain[0] != '-' &&
           domain[size - 1] != '-' && !strstr(domain, ".-") && !strstr(domain, "-.");
}

static const char *join(const char *local_part, size_t size, const char *domain, struct address *ret)
{
    struct address address = { 0 };
    if (!is_domain(domain))
        return "has a bad domain";
    if (size + 1 + strlen(domain) > ADDRESS_MAX)
        return "is longer than 254 bytes";
    snprintf(address.text, sizeof(address.text), "%.*s@%s", (int)size, local_part, domain);
    address.international = !is_ascii(address.text);
    *ret = address;
    return NULL;
}

const char *address_parse(const char *text, struct address *ret)
{
    const char *at = strrchr(text, '@');
    if (!at)
        return "has no @";
    if (strlen(text) > ADDRESS_MAX)
        return "is longer than 254 bytes";
    size_t size = (size_t)(at - text);
    if (!is_local_part(text, size))
        return "has a bad part before the @";
    if (is_ascii(at + 1))
        return join(text, size, at + 1, ret);
    char *domain = NULL;
    if (idn2_to_ascii_8z(at + 1, &domain, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return "has a bad domain";
    const char *wrong = join(text, size, domain, ret);
    idn2_free(domain);
    return wrong;
}

const char *address_domain(const struct address *address)
{
    return strrchr(address->text, '@') + 1;
}
