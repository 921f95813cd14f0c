/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/examine.h"

#include <string.h>

static json_t *findings;

void examine_as(const char *environment, const char *options, int status)
{
    json_decref(findings);
    control_expect_with(environment, status, "doctor -o json %s", options);
    findings = control_json();
}

void examine(void)
{
    examine_as("", "", 1);
}

const json_t *examine_findings(void)
{
    return findings;
}

const json_t *examine_find(const char *check, const char *about, const char *state)
{
    size_t i;
    const json_t *f;
    json_array_foreach(findings, i, f) if (strcmp(control_member(f, "check"), check) == 0 &&
                                           (!about || strstr(control_member(f, "about"), about)) &&
                                           strcmp(control_member(f, "state"), state) == 0) return f;
    return NULL;
}

void examine_expect(const char *state, const char *check, const char *about, const char *found,
                    const char *cure)
{
    size_t i;
    const json_t *f;
    json_array_foreach(findings, i, f)
    {
        if (strcmp(control_member(f, "check"), check) != 0 ||
            strcmp(control_member(f, "state"), state) != 0 || !strstr(control_member(f, "about"), about) ||
            !strstr(control_member(f, "found"), found) || !strstr(control_member(f, "cure"), cure))
            continue;
        ck_assert_str_ne(control_member(f, "meaning"), "");
        return;
    }
    ck_abort_msg("no %s \"%s\" about \"%s\": \"%s\" → \"%s\" in\n%s", state, check, about, found, cure,
                 control_output());
}

void examine_expect_none(const char *check, const char *about)
{
    const json_t *f = examine_find(check, about, PROBLEM);
    f = f ? f : examine_find(check, about, WARNING);
    ck_assert_msg(!f, "%s: %s", check, f ? control_member(f, "found") : "");
}
