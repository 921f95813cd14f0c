/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the public specification in MUSTACHE_CASES, and those of our own. */
#include "mustache.h"

#include <stdio.h>

#include "tests/support/suite.h"

static struct mustache_error error;

static char *read_partial(void *data, const char *name, struct mustache_error *reterr)
{
    (void)reterr;
    const char *text = json_string_value(json_object_get(data, name));
    return text ? strdup(text) : NULL;
}

/* On the heap; NULL with @error set. */
static char *render(const char *template, const json_t *data, json_t *partials, enum mustache_escape escape,
                    bool strict)
{
    const struct mustache_options options = {
        .escape = escape, .strict = strict, .read_partial = read_partial, .data = partials
    };
    char *text = NULL;
    size_t size = 0;
    enum mustache_outcome outcome = mustache_render(template, &data, 1, &options, &text, &size, &error);
    ck_assert_int_eq(outcome == MUSTACHE_DONE, text != NULL);
    ck_assert(outcome == MUSTACHE_DONE || error.text[0]);
    return text;
}

/* --- The specification ------------------------------------------------------------------------------- */

static int run_case(const json_t *test)
{
    const char *expected = json_string_value(json_object_get(test, "expected"));
    char *text = render(json_string_value(json_object_get(test, "template")), json_object_get(test, "data"),
                        json_object_get(test, "partials"), MUSTACHE_HTML, false);
    bool same = text && strcmp(text, expected) == 0;
    if (!same)
        printf("# %s: expected\n#%s, found\n#%s\n", json_string_value(json_object_get(test, "name")),
               expected, text ? text : error.text);
    free(text);
    return same;
}

static void run_cases(const char *file, size_t n_expected)
{
    char path[4096];
    json_error_t wrong;
    snprintf(path, sizeof(path), "%s/%s.json", MUSTACHE_CASES, file);
    json_t *cases = json_load_file(path, 0, &wrong), *test;
    ck_assert_msg(cases != NULL, "%s: %s", path, wrong.text);
    size_t i, n_passed = 0;
    json_array_foreach(cases, i, test) n_passed += (size_t)run_case(test);
    ck_assert_uint_eq(json_array_size(cases), n_expected);
    ck_assert_uint_eq(n_passed, n_expected);
    json_decref(cases);
}

START_TEST(specification_of_comments_holds)
{
    run_cases("comments", 11);
}
END_TEST

START_TEST(specification_of_delimiters_holds)
{
    run_cases("delimiters", 14);
}
END_TEST

START_TEST(specification_of_interpolation_holds)
{
    run_cases("interpolation", 30);
}
END_TEST

START_TEST(specification_of_inverted_sections_holds)
{
    run_cases("inverted", 21);
}
END_TEST

START_TEST(specification_of_partials_holds)
{
    run_cases("partials", 12);
}
END_TEST

START_TEST(specification_of_sections_holds)
{
    run_cases("sections", 27);
}
END_TEST

/* --- Our own ----------------------------------------------------------------------------------------- */

static void check_as(enum mustache_escape escape, const char *template, const char *data,
                     const char *expected)
{
    json_t *values = json_loads(data, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(values);
    char *text = render(template, values, NULL, escape, false);
    ck_assert_msg(text && strcmp(text, expected) == 0, "%s with %s: expected %s, found %s", template, data,
                  expected, text ? text : error.text);
    free(text);
    json_decref(values);
}

static void check(const char *template, const char *data, const char *expected)
{
    check_as(MUSTACHE_HTML, template, data, expected);
}

static void check_fails(const char *template, const char *data, const char *why)
{
    json_t *values = json_loads(data, 0, NULL);
    char *text = render(template, values, NULL, MUSTACHE_LINE, true);
    ck_assert_msg(!text, "%s: is taken", template);
    ck_assert_str_eq(error.text, why);
    json_decref(values);
}

/* What the specification says since version 1.2. */
START_TEST(later_versions_of_the_specification_hold)
{
    check("I ({{cannot}}) be seen!", "{\"cannot\": null}", "I () be seen!");
    check("I ({{&cannot}}) be seen!", "{\"cannot\": null}", "I () be seen!");
    check("\"{{a.b.c.d.e.name}}\" == \"Phil\"",
          "{\"a\": {\"b\": {\"c\": {\"d\": {\"e\": {\"name\": \"Phil\"}}}}}}", "\"Phil\" == \"Phil\"");
    check("{{#a}}{{b.c}}{{/a}}", "{\"a\": {\"b\": {}}, \"b\": {\"c\": \"ERROR\"}}", "");
    check("{{a.b}}", "{\"a.b\": \"c\", \"a\": {\"b\": \"d\"}}", "d");
    check("{{#a}}{{b.c}}{{/a}}", "{\"a\": 1, \"b\": {\"c\": \"x\"}}", "x");
    check("{{#list}}({{#.}}{{.}}{{/.}}){{/list}}", "{\"list\": [[1, 2, 3], [\"a\", \"b\"]]}", "(123)(ab)");
    check("{{#.}}({{value}}){{/.}}", "[{\"value\": \"a\"}, {\"value\": \"b\"}]", "(a)(b)");
    check("{{#list}}({{{.}}}{{&.}}{{.}}){{/list}}", "{\"list\": [\"&\"]}", "(&&&amp;)");
    check("Hello, {{.}}!", "\"world\"", "Hello, world!");
    check("{{^null}}x{{/null}}", "{\"null\": null}", "x");
    check("{{#null}}x{{/null}}", "{\"null\": null}", "");
    check(
        "{{#tops}}{{#middles}}{{tname.lower}}{{mname}}.{{/middles}}{{/tops}}",
        "{\"tops\": [{\"tname\": {\"upper\": \"A\", \"lower\": \"a\"}, \"middles\": [{\"mname\": \"1\"}]}]}",
        "a1.");
    check("{{! comment}} {{!! x}}|{{!}}", "{\"! comment\": 1}", " |");
    check("x{{! multi\nline }}y", "{}", "xy");
}
END_TEST

START_TEST(numbers_and_words_are_written_as_people_do)
{
    check("{{a}} {{b}} {{c}} {{d}} {{e}} {{f}}",
          "{\"a\": 0.1, \"b\": -12345678901, \"c\": 1e300, \"d\": 1.21, \"e\": true, \"f\": false}",
          "0.1 -12345678901 1e+300 1.21 true false");
}
END_TEST

START_TEST(nothing_empty_and_zero_are_no)
{
    static const char *const no[] = { "null", "false", "\"\"", "0", "0.0", "[]" };
    static const char *const yes[] = { "true", "\"0\"", "1", "-0.5", "{}" };
    char data[32];
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        snprintf(data, sizeof(data), "{\"a\": %s}", no[i]);
        check("{{#a}}yes{{/a}}{{^a}}no{{/a}}", data, "no");
    }
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        snprintf(data, sizeof(data), "{\"a\": %s}", yes[i]);
        check("{{#a}}yes{{/a}}{{^a}}no{{/a}}", data, "yes");
    }
}
END_TEST

START_TEST(values_are_escaped_as_the_format_asks_and_are_no_templates)
{
    static const char data[] = "{\"x\": \"<a href='1'>&\\\"{{y}}\", \"y\": \"!\"}";
    check_as(MUSTACHE_HTML, "{{x}}", data, "&lt;a href=&#39;1&#39;&gt;&amp;&quot;{{y}}");
    check_as(MUSTACHE_HTML, "{{{x}}}{{&x}}", data, "<a href='1'>&\"{{y}}<a href='1'>&\"{{y}}");
    check_as(MUSTACHE_PLAIN, "{{x}}", data, "<a href='1'>&\"{{y}}");
    check_as(MUSTACHE_LINE, "{{x}}", data, "<a href='1'>&\"{{y}}");
    check_as(MUSTACHE_PLAIN, "{{x}}", "{\"x\": \"a\\r\\nb\\tc\"}", "a\r\nb\tc");
}
END_TEST

START_TEST(no_value_can_end_a_header_line)
{
    check_fails("{{x}}", "{\"x\": \"a\\r\\nBcc: e@v.il\"}", "line 1: \"x\" has control characters");
    check_fails("\n{{{x}}}", "{\"x\": \"a\\nb\"}", "line 2: \"x\" has control characters");
    check_fails("{{#l}}{{.}}{{/l}}", "{\"l\": [\"a\", \"\\u007f\"]}", "line 1: \".\" has control characters");
}
END_TEST

START_TEST(missing_values_are_faults_only_where_that_is_asked_for)
{
    check("[{{nme}}{{a.b}}{{list}}{{object}}]", "{\"a\": {}, \"list\": [1], \"object\": {\"c\": 1}}", "[]");
    check_fails("Hi,\nyou, {{nme}}", "{}", "line 2: \"nme\" has no value");
    check_fails("{{list}}", "{\"list\": [1]}", "line 1: \"list\" has no value");
    check_fails("{{a.b}}", "{\"a\": {}}", "line 1: \"a.b\" has no value");
}
END_TEST

START_TEST(broken_templates_are_refused_with_their_place)
{
    check_fails("one\ntwo {{name", "{}", "line 2: \"{{name\" is not closed");
    check_fails("{{#a}}", "{}", "line 1: \"a}}\" is a section that is not closed");
    check_fails("{{/a}}", "{}", "line 1: \"{{/a}}\" closes nothing");
    check_fails("{{#a}}\n{{#b}}\n{{/a}}", "{}",
                "line 3: \"{{/a}}\" closes another section than the last one opened");
    check_fails("{{}}", "{}", "line 1: \"{{}}\" has no name");
    check_fails("{{# }}", "{}", "line 1: \"{{# }}\" has no name");
    check_fails("{{a b}}", "{}", "line 1: \"{{a b}}\" has a blank in its name");
    check_fails("{{=x=}}", "{}", "line 1: \"{{=x=}}\" sets no delimiters");
    check_fails("{{=a b c=}}", "{}", "line 1: \"{{=a b c=}}\" sets no delimiters");
    check_fails("{{= = = =}}", "{}", "line 1: \"{{= = = =}}\" sets no delimiters");
    check_fails("{{=12345678901234567 x=}}", "{}",
                "line 1: \"{{=12345678901234567 x=}}\" sets no delimiters");
    check_fails("{{<parent}}{{/parent}}", "{}",
                "line 1: \"{{<parent}}{{/parent}}\" is inheritance, which is not supported");
    check_fails("{{{a}}", "{}", "line 1: \"{{{a}}\" is not closed");
}
END_TEST

START_TEST(nesting_and_work_and_output_have_their_bounds)
{
    char template[1024] = "";
    for (int i = 0; i < 65; i++)
        strcat(template, "{{#a}}");
    json_t *values = json_pack("{s:b}", "a", 1);
    ck_assert_ptr_null(render(template, values, NULL, MUSTACHE_PLAIN, false));
    ck_assert_str_eq(error.text, "line 1: \"{{#a}}\" is nested too deeply");
    json_decref(values);

    json_t *partials = json_pack("{s:s}", "p", "x{{>p}}");
    values = json_object();
    ck_assert_ptr_null(render("{{>p}}", values, partials, MUSTACHE_PLAIN, false));
    ck_assert_str_eq(error.text, "line 1: \"p\" is nested more than 64 deep");
    json_decref(values);
    json_decref(partials);

    json_t *list = json_array();
    for (int i = 0; i < 2000; i++)
        json_array_append_new(list, json_string("0123456789"));
    values = json_pack("{s:o}", "l", list);
    ck_assert_ptr_null(render("{{#l}}{{#l}}{{/l}}{{/l}}{{#l}}{{#l}}{{! }}{{^l}}{{/l}}{{/l}}{{/l}}", values,
                              NULL, MUSTACHE_PLAIN, false));
    ck_assert_str_eq(error.text, "line 1: \"l\" is repeated too often");
    ck_assert_ptr_null(render("{{#l}}{{#l}}{{.}}{{/l}}{{/l}}", values, NULL, MUSTACHE_PLAIN, false));
    ck_assert_str_eq(error.text, "line 1: \".\" makes a text of more than 1048576 bytes");
    json_decref(values);
}
END_TEST

START_TEST(first_root_that_has_a_name_wins)
{
    json_t *variables = json_pack("{s:s}", "name", "inner"),
           *own = json_pack("{s:s, s:s}", "name", "outer", "to", "x");
    const json_t *const roots[] = { variables, own };
    const struct mustache_options options = { .escape = MUSTACHE_PLAIN };
    char *text = NULL;
    size_t size;
    ck_assert_int_eq(mustache_render("{{name}} {{to}}", roots, 2, &options, &text, &size, &error),
                     MUSTACHE_DONE);
    ck_assert_str_eq(text, "inner x");
    ck_assert_uint_eq(size, 7);
    free(text);
    json_decref(variables);
    json_decref(own);
}
END_TEST

SUITE_MAIN("mustache", specification_of_comments_holds, specification_of_delimiters_holds,
           specification_of_interpolation_holds, specification_of_inverted_sections_holds,
           specification_of_partials_holds, specification_of_sections_holds,
           later_versions_of_the_specification_hold, numbers_and_words_are_written_as_people_do,
           nothing_empty_and_zero_are_no, values_are_escaped_as_the_format_asks_and_are_no_templates,
           no_value_can_end_a_header_line, missing_values_are_faults_only_where_that_is_asked_for,
           broken_templates_are_refused_with_their_place, nesting_and_work_and_output_have_their_bounds,
           first_root_that_has_a_name_wins)
