/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/suite.h"

struct inner {
    char *name;
    int count;
};

struct outer {
    char *text;
    char *secret, *late, *late_why;
    int number;
    double real;
    bool flag;
    int64_t wait_us;
    int64_t size;
    int colour;
    char **words;
    size_t n_words;
    struct inner one;
    struct inner *many;
    size_t n_many;
};

static const char *check_lower(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz") == strlen(text) ? NULL : "expected small letters";
}

static const char *const colours[] = { "red", "green", "blue", NULL };
static const struct option_row inner_rows[] = {
    { .key = "name",
      .type = OPTION_STRING,
      .offset = offsetof(struct inner, name),
      .flags = OPTION_REQUIRED,
      .check = check_lower,
      .help = "A name" },
    { .key = "count",
      .type = OPTION_INT,
      .offset = offsetof(struct inner, count),
      .min = 1,
      .max = 9,
      .preset = "3",
      .flags = OPTION_RELOADABLE,
      .help = "A count" },
};
static const struct option_table inner_table = OPTION_TABLE(struct inner, inner_rows);
static const struct option_row rows[] = {
    { .key = "text",
      .type = OPTION_STRING,
      .offset = offsetof(struct outer, text),
      .min = 1,
      .max = 20,
      .preset = "hello",
      .help = "Text" },
    { .key = "secret",
      .type = OPTION_STRING,
      .offset = offsetof(struct outer, secret),
      .min = 4,
      .flags = OPTION_SECRET,
      .help = "Secret" },
    { .key = "late",
      .type = OPTION_STRING,
      .offset = offsetof(struct outer, late),
      .why_offset = offsetof(struct outer, late_why),
      .min = 4,
      .flags = OPTION_SECRET,
      .help = "Secret that not everybody needs" },
    { .key = "number",
      .type = OPTION_INT,
      .offset = offsetof(struct outer, number),
      .min = -5,
      .max = 1000,
      .preset = "7",
      .help = "Number" },
    { .key = "real",
      .type = OPTION_REAL,
      .offset = offsetof(struct outer, real),
      .min = 0,
      .max = 10,
      .preset = "2.5",
      .help = "Real" },
    { .key = "flag",
      .type = OPTION_BOOL,
      .offset = offsetof(struct outer, flag),
      .preset = "true",
      .help = "Flag" },
    { .key = "wait",
      .type = OPTION_DURATION,
      .offset = offsetof(struct outer, wait_us),
      .min = USEC_PER_MSEC,
      .max = 3600 * USEC_PER_SEC,
      .preset = "90s",
      .flags = OPTION_RELOADABLE,
      .help = "Wait" },
    { .key = "size",
      .type = OPTION_SIZE,
      .offset = offsetof(struct outer, size),
      .min = 0,
      .max = INT64_C(1) << 40,
      .preset = "64 MiB",
      .help = "Size" },
    { .key = "colour",
      .type = OPTION_ENUM,
      .offset = offsetof(struct outer, colour),
      .names = colours,
      .preset = "green",
      .help = "Colour" },
    { .key = "words",
      .type = OPTION_STRINGS,
      .offset = offsetof(struct outer, words),
      .count_offset = offsetof(struct outer, n_words),
      .max = 3,
      .help = "Words" },
    { .key = "one",
      .type = OPTION_GROUP,
      .offset = offsetof(struct outer, one),
      .table = &inner_table,
      .help = "One group" },
    { .key = "many",
      .type = OPTION_GROUPS,
      .offset = offsetof(struct outer, many),
      .count_offset = offsetof(struct outer, n_many),
      .table = &inner_table,
      .help = "Many groups" },
};
static const struct option_table table = OPTION_TABLE(struct outer, rows);

static int load(const char *text, size_t size, struct outer *o, struct err *err)
{
    struct option_file *file = NULL;
    memset(o, 0, sizeof(*o));
    int r = option_file_read_text(&file, "conf/a.conf", text, size, err);
    if (r == 0)
        r = option_fill(file, &table, o, err);
    option_file_free(file);
    return r;
}

static void assert_refused(const char *text, size_t size, const char *message)
{
    struct outer o;
    struct err err = { "" };
    ck_assert_msg(load(text, size, &o, &err) == OPTION_INVALID, "accepted: %s", text);
    ck_assert_str_eq(err.text, message);
    option_done(&table, &o);
}

static void assert_accepted(const char *text, struct outer *o)
{
    struct err err = { "" };
    ck_assert_msg(load(text, strlen(text), o, &err) == 0, "%s", err.text);
}

START_TEST(defaults_come_from_the_table)
{
    struct outer o = { 0 };
    ck_assert_int_eq(option_fill(NULL, &table, &o, NULL), 0);
    ck_assert_str_eq(o.text, "hello");
    ck_assert_ptr_null(o.secret);
    ck_assert_int_eq(o.number, 7);
    ck_assert_double_eq(o.real, 2.5);
    ck_assert(o.flag);
    ck_assert_int_eq(o.wait_us, 90 * USEC_PER_SEC);
    ck_assert_int_eq(o.size, 64 << 20);
    ck_assert_int_eq(o.colour, 1);
    ck_assert_uint_eq(o.n_words, 0);
    ck_assert_ptr_null(o.one.name);
    ck_assert_int_eq(o.one.count, 3);
    ck_assert_uint_eq(o.n_many, 0);
    option_done(&table, &o);
    ck_assert_ptr_null(o.text);
}
END_TEST

START_TEST(every_type_is_read)
{
    struct outer o;
    assert_accepted(
        "text = \"a\" \"b\"; secret = \"pass\"; number = -5; real = 3; flag = false; wait = \"1m30s\";\n"
        "size = 4096; colour = \"blue\"; words = ( \"x\", \"yy\" );\n"
        "one: { name = \"n\"; count = 9; };\n"
        "many = ( { name = \"a\"; }, { name = \"b\"; count = 0x5; } );\n",
        &o);
    ck_assert_str_eq(o.text, "ab");
    ck_assert_str_eq(o.secret, "pass");
    ck_assert_int_eq(o.number, -5);
    ck_assert_double_eq(o.real, 3);
    ck_assert(!o.flag);
    ck_assert_int_eq(o.wait_us, 90 * USEC_PER_SEC);
    ck_assert_int_eq(o.size, 4096);
    ck_assert_int_eq(o.colour, 2);
    ck_assert_uint_eq(o.n_words, 2);
    ck_assert_str_eq(o.words[1], "yy");
    ck_assert_str_eq(o.one.name, "n");
    ck_assert_uint_eq(o.n_many, 2);
    ck_assert_int_eq(o.many[0].count, 3);
    ck_assert_int_eq(o.many[1].count, 5);
    option_done(&table, &o);
}
END_TEST

START_TEST(other_spellings_are_read)
{
    struct outer o;
    assert_accepted("size = \"2 GiB\"; words = [ \"x\" ]; real = 1.25e0;", &o);
    ck_assert_int_eq(o.size, INT64_C(2) << 30);
    ck_assert_uint_eq(o.n_words, 1);
    ck_assert_double_eq(o.real, 1.25);
    option_done(&table, &o);
    assert_accepted("size = 5000000000L; words = []; many = ();", &o);
    ck_assert_int_eq(o.size, 5000000000);
    ck_assert_uint_eq(o.n_words, 0);
    option_done(&table, &o);
    assert_accepted("", &o);
    option_done(&table, &o);
}
END_TEST

START_TEST(wrong_values_say_what_was_expected_and_found)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "text = 5;", "conf/a.conf:1: text: expected a string of 1 to 20 bytes, found 5" },
        { "text = \"\";", "conf/a.conf:1: text: expected a string of 1 to 20 bytes, found \"\"" },
        { "\n\ntext = \"123456789012345678901\";",
          "conf/a.conf:3: text: expected a string of 1 to 20 bytes, found \"123456789012345678901\"" },
        { "number = 1001;", "conf/a.conf:1: number: expected an integer from -5 to 1000, found 1001" },
        { "number = -6;", "conf/a.conf:1: number: expected an integer from -5 to 1000, found -6" },
        { "number = 1.5;", "conf/a.conf:1: number: expected an integer from -5 to 1000, found 1.5" },
        { "number = \"7\";", "conf/a.conf:1: number: expected an integer from -5 to 1000, found \"7\"" },
        { "number = true;", "conf/a.conf:1: number: expected an integer from -5 to 1000, found true" },
        { "number = 4294967296007L;",
          "conf/a.conf:1: number: expected an integer from -5 to 1000, found 4294967296007" },
        { "real = 10.5;", "conf/a.conf:1: real: expected a number from 0 to 10, found 10.5" },
        { "real = \"1\";", "conf/a.conf:1: real: expected a number from 0 to 10, found \"1\"" },
        { "flag = 1;", "conf/a.conf:1: flag: expected true or false, found 1" },
        { "flag = \"true\";", "conf/a.conf:1: flag: expected true or false, found \"true\"" },
        { "wait = 90;", "conf/a.conf:1: wait: expected a duration like \"1m30s\", from 1ms to 1h, found 90" },
        { "wait = \"90\";",
          "conf/a.conf:1: wait: expected a duration like \"1m30s\", from 1ms to 1h, found \"90\"" },
        { "wait = \"2h\";",
          "conf/a.conf:1: wait: expected a duration like \"1m30s\", from 1ms to 1h, found \"2h\"" },
        { "wait = \"-1s\";",
          "conf/a.conf:1: wait: expected a duration like \"1m30s\", from 1ms to 1h, found \"-1s\"" },
        { "wait = \"\";",
          "conf/a.conf:1: wait: expected a duration like \"1m30s\", from 1ms to 1h, found \"\"" },
        { "size = \"5 MB\";",
          "conf/a.conf:1: size: expected a size like \"64 MiB\", from 0 B to 1 TiB, found \"5 MB\"" },
        { "size = -1;", "conf/a.conf:1: size: expected a size like \"64 MiB\", from 0 B to 1 TiB, found -1" },
        { "size = \"99999999999 TiB\";",
          "conf/a.conf:1: size: expected a size like \"64 MiB\", from 0 B to 1 TiB, found \"99999999999 TiB\"" },
        { "colour = \"grean\";",
          "conf/a.conf:1: colour: expected \"red\", \"green\" or \"blue\", found \"grean\"" },
        { "colour = 1;", "conf/a.conf:1: colour: expected \"red\", \"green\" or \"blue\", found 1" },
        { "words = \"x\";",
          "conf/a.conf:1: words: expected a list of strings: ( \"…\", \"…\" ), found \"x\"" },
        { "words = (\n \"x\",\n 5 );",
          "conf/a.conf:3: words[1]: expected a string of 1 to 4096 bytes, found 5" },
        { "words = ( \"\" );", "conf/a.conf:1: words[0]: expected a string of 1 to 4096 bytes, found \"\"" },
        { "words = [ \"a\", \"b\", \"c\", \"d\" ];",
          "conf/a.conf:1: words: expected 0 to 3 elements, found 4" },
        { "one = 1;", "conf/a.conf:1: one: expected a group: { … }, found 1" },
        { "one = ();", "conf/a.conf:1: one: expected a group: { … }, found an empty list" },
        { "one: { };", "conf/a.conf:1: one.name: is missing" },
        { "one:\n{\n  name = \"Up\";\n};", "conf/a.conf:3: one.name: expected small letters, found \"Up\"" },
        { "many: { name = \"x\"; };",
          "conf/a.conf:1: many: expected a list of groups: ( { … }, { … } ), found a group" },
        { "many = (\n{ name = \"x\"; },\n\"y\" );",
          "conf/a.conf:3: many[1]: expected a group: { … }, found \"y\"" },
        { "many = (\n{ name = \"x\"; },\n{ count = 3; } );", "conf/a.conf:3: many[1].name: is missing" },
        { "many = (\n{ name = \"x\";\n count = 10; } );",
          "conf/a.conf:3: many[0].count: expected an integer from 1 to 9, found 10" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].message);
}
END_TEST

START_TEST(unknown_keys_name_the_nearest)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "numbr = 5;", "conf/a.conf:1: numbr: unknown key; the nearest known key is \"number\"" },
        { "\n\none: { name = \"x\";\n cuont = 5; };",
          "conf/a.conf:4: one.cuont: unknown key; the nearest known key is \"count\"" },
        { "many = ( { name = \"x\"; nam = 5; } );",
          "conf/a.conf:1: many[0].nam: unknown key; the nearest known key is \"name\"" },
        { "text_file = \"x\";", "conf/a.conf:1: text_file: unknown key; the nearest known key is \"text\"" },
        { "NUMBER = 5;", "conf/a.conf:1: NUMBER: unknown key; the nearest known key is \"number\"" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].message);
}
END_TEST

START_TEST(broken_files_name_the_line)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "number = ;", "conf/a.conf:1: syntax error" },
        { "number = 1;\ntext = \"x\n", "conf/a.conf:2: the string that starts here never ends" },
        { "number = 1;\n/* text", "conf/a.conf:2: the comment that starts here never ends" },
        { "number = 1;\nnumber = 2;", "conf/a.conf:2: number: is set twice" },
        { "number = 1; number = 2;", "conf/a.conf:1: duplicate setting name" },
        { "one: { name = \"x\";\n name = \"name = y\"; # name = z\n};", "conf/a.conf:2: name: is set twice" },
        { "number = 4294967303;", "conf/a.conf:1: the number 4294967303 is too large" },
        { "number = -2147483649;", "conf/a.conf:1: the number -2147483649 is too large" },
        { "number = 0x100000001;", "conf/a.conf:1: the number 0x100000001 is too large" },
        { "size = 99999999999999999999L;", "conf/a.conf:1: the number 99999999999999999999L is too large" },
        { "number = 1111111111111111111111111111111111111111;",
          "conf/a.conf:1: the number 1111111111111111111111111111111111111111 is too large" },
        { "many = ((((((((((((((((({ name = 1; })))))))))))))))));",
          "conf/a.conf:1: nested deeper than 16 levels" },
        { "words = [ \"x\", 5 ];", "conf/a.conf:1: mismatched element type in array" },
        { "\xef\xbb\xbfnumber = 1;",
          "conf/a.conf:1: starts with a byte order mark; expected UTF-8 without one" },
        { "number = 1;\ntext = \"\xfc\";", "conf/a.conf:2: holds bytes that are not UTF-8" },
        { "\n@include \"absent.conf\"\n", "conf/a.conf:2: @include: there is no file conf/absent.conf" },
        { "\n@include absent.conf\n", "conf/a.conf:2: syntax error" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].message);
    assert_refused("number = 1;\ntext = \"a\0b\";", 24,
                   "conf/a.conf:2: holds a NUL byte; expected UTF-8 text");
}
END_TEST

START_TEST(comments_and_strings_are_not_searched_for_numbers)
{
    struct outer o;
    assert_accepted(
        "# 9999999999\n// 9999999999 \"\n/* 9999999999 \" */ text = \"9999999999 \\\" # /*\"; number = 5;",
        &o);
    ck_assert_str_eq(o.text, "9999999999 \" # /*");
    ck_assert_int_eq(o.number, 5);
    option_done(&table, &o);
}
END_TEST

START_TEST(secrets_are_never_printed)
{
    static const char *const texts[] = {
        "secret = \"abc\";",
        "secret = 12345;",
        "secret = ( \"abc\" );",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_refused(texts[i], strlen(texts[i]),
                       "conf/a.conf:1: secret: expected a string of 4 to 4096 bytes");
}
END_TEST

/* --- Real files ----------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/test_option.XXXXXX";

static const char *in_directory(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *text = path[next++ % 4];
    snprintf(text, sizeof(path[0]), "%s/%s", directory, name);
    return text;
}

static void write_file(const char *name, const char *text, size_t size, mode_t mode)
{
    FILE *f = fopen(in_directory(name), "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(in_directory(name), mode), 0);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text), 0640);
}

static int load_file(const char *name, struct outer *o, struct err *err)
{
    struct option_file *file = NULL;
    memset(o, 0, sizeof(*o));
    int r = option_file_read(&file, in_directory(name), err);
    if (r == 0)
        r = option_fill(file, &table, o, err);
    option_file_free(file);
    return r;
}

/* @message: with ~ for the directory. */
static void assert_file_refused(const char *name, int outcome, const char *message)
{
    struct outer o;
    struct err err = { "" };
    char expected[512];
    size_t n = 0;
    ck_assert_int_eq(load_file(name, &o, &err), outcome);
    for (const char *c = message; *c; c++)
        n += (size_t)snprintf(expected + n, sizeof(expected) - n, *c == '~' ? "%s" : "%.1s",
                              *c == '~' ? directory : c);
    ck_assert_str_eq(err.text, expected);
    option_done(&table, &o);
}

static void make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void remove_directory(void)
{
    static const char *const names[] = { "a.conf", "b.conf", "c.conf", "secret", "cred/secret", "cred" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        remove(in_directory(names[i]));
    ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(unreadable_files_are_told_apart)
{
    make_directory();
    assert_file_refused("a.conf", OPTION_MISSING, "~/a.conf: cannot be opened: No such file or directory");
    assert_file_refused("a.conf/b", OPTION_MISSING,
                        "~/a.conf/b: cannot be opened: No such file or directory");
    mkdir(in_directory("a.conf"), 0755);
    assert_file_refused("a.conf", OPTION_INVALID, "~/a.conf: is a directory");
    remove_directory();
}
END_TEST

START_TEST(file_of_the_largest_size_is_read_and_one_more_is_not)
{
    char *text = malloc(OPTION_FILE_MAX + 1);
    struct outer o;
    make_directory();
    memset(text, '\n', OPTION_FILE_MAX + 1);
    write_file("a.conf", text, OPTION_FILE_MAX, 0640);
    ck_assert_int_eq(load_file("a.conf", &o, NULL), 0);
    option_done(&table, &o);
    write_file("a.conf", text, OPTION_FILE_MAX + 1, 0640);
    assert_file_refused("a.conf", OPTION_INVALID, "~/a.conf: is larger than 1024 KiB");
    free(text);
    remove_directory();
}
END_TEST

START_TEST(included_files_are_read_and_checked_alike)
{
    struct outer o;
    make_directory();
    write_text("a.conf", "text = \"x\";\n@include \"b.conf\"\nflag = false;\n");
    write_text("b.conf", "number = 12;\n");
    ck_assert_int_eq(load_file("a.conf", &o, NULL), 0);
    ck_assert_int_eq(o.number, 12);
    ck_assert(!o.flag);
    option_done(&table, &o);
    write_text("b.conf", "\nnumber = 12000;\n");
    assert_file_refused("a.conf", OPTION_INVALID,
                        "~/b.conf:2: number: expected an integer from -5 to 1000, found 12000");
    write_text("b.conf", "\nnumber = 4294967303;\n");
    assert_file_refused("a.conf", OPTION_INVALID, "~/b.conf:2: the number 4294967303 is too large");
    write_text("b.conf", "\nnumber = =;\n");
    assert_file_refused("a.conf", OPTION_INVALID, "~/b.conf:2: syntax error");
    write_text("b.conf", "@include \"a.conf\"\n");
    assert_file_refused("a.conf", OPTION_INVALID, "~/a.conf:2: @include goes deeper than 8 files");
    remove_directory();
}
END_TEST

static void assert_secret(const char *expected)
{
    struct outer o;
    struct err err = { "" };
    ck_assert_msg(load_file("a.conf", &o, &err) == 0, "%s", err.text);
    ck_assert_str_eq(o.secret, expected);
    option_done(&table, &o);
}

START_TEST(secret_comes_from_a_file)
{
    make_directory();
    write_text("a.conf", "secret_file = \"secret\";\n");
    write_text("secret", "from beside\n");
    assert_secret("from beside");
    write_text("secret", "two lines\n\n");
    assert_secret("two lines\n");
    write_text("secret", "windows\r\n");
    assert_secret("windows");
    mkdir(in_directory("cred"), 0700);
    setenv("CREDENTIALS_DIRECTORY", in_directory("cred"), 1);
    assert_secret("windows");
    write_text("cred/secret", "from credentials");
    assert_secret("from credentials");
    remove_directory();
}
END_TEST

START_TEST(wrong_secret_files_are_refused)
{
    make_directory();
    write_text("a.conf", "\nsecret_file = \"secret\";\n");
    assert_file_refused("a.conf", OPTION_INVALID,
                        "~/a.conf:2: secret_file: ~/secret cannot be opened: No such file or directory");
    write_file("secret", "pass", 4, 0644);
    assert_file_refused("a.conf", OPTION_INVALID,
                        "~/a.conf:2: secret_file: ~/secret may be accessed by everyone (mode 0644); "
                        "\"chmod o= ~/secret\" corrects it");
    write_file("secret", "\n", 1, 0600);
    assert_file_refused("a.conf", OPTION_INVALID, "~/a.conf:2: secret_file: ~/secret is empty");
    write_file("secret", "abc\n", 4, 0600);
    assert_file_refused("a.conf", OPTION_INVALID,
                        "~/a.conf:2: secret_file: expected a string of 4 to 4096 bytes");
    write_file("secret", "ab\0cd", 5, 0600);
    assert_file_refused("a.conf", OPTION_INVALID, "~/a.conf:2: secret_file: ~/secret holds a NUL byte");
    write_text("a.conf", "secret_file = 5;\n");
    assert_file_refused("a.conf", OPTION_INVALID, "~/a.conf:1: secret_file: expected the name of a file");
    write_text("a.conf", "secret = \"pass\";\nsecret_file = \"secret\";\n");
    assert_file_refused("a.conf", OPTION_INVALID,
                        "~/a.conf:2: secret_file: is set beside \"secret\"; expected one of the two");
    remove_directory();
}
END_TEST

START_TEST(secret_that_is_not_needed_may_be_unreadable)
{
    struct outer o;
    struct err err = { "" };
    make_directory();
    write_text("a.conf", "\nlate_file = \"secret\";\n");
    ck_assert_int_eq(load_file("a.conf", &o, &err), 0);
    ck_assert_ptr_null(o.late);
    ck_assert_ptr_nonnull(strstr(o.late_why, "/secret cannot be opened: No such file or directory"));
    option_done(&table, &o);
    ck_assert_ptr_null(o.late_why);
    write_file("secret", "pass\n", 5, 0600);
    ck_assert_int_eq(load_file("a.conf", &o, &err), 0);
    ck_assert_str_eq(o.late, "pass");
    ck_assert_ptr_null(o.late_why);
    option_done(&table, &o);
    write_file("secret", "abc\n", 4, 0600); /* can be read, and is wrong */
    assert_file_refused("a.conf", OPTION_INVALID,
                        "~/a.conf:2: late_file: expected a string of 4 to 4096 bytes");
    remove_directory();
}
END_TEST

/* --- What callers do with it ---------------------------------------------------------------------------------------- */

START_TEST(caller_refuses_at_the_same_place)
{
    static const char text[] =
        "one:\n{\n name = \"x\";\n};\nmany = (\n { name = \"a\"; },\n {\n name = \"b\"; } );";
    struct option_file *file = NULL;
    struct err err;
    ck_assert_int_eq(option_file_read_text(&file, "conf/a.conf", text, strlen(text), &err), 0);
    ck_assert_str_eq(option_file_directory(file), "conf");
    ck_assert_int_eq(option_refuse(file, &err, "many[1].name", "is %s", "odd"), OPTION_INVALID);
    ck_assert_str_eq(err.text, "conf/a.conf:8: many[1].name: is odd");
    option_refuse(file, &err, "one.count", "is odd");
    ck_assert_str_eq(err.text, "conf/a.conf:1: one.count: is odd");
    option_refuse(file, &err, "number", "is odd");
    ck_assert_str_eq(err.text, "conf/a.conf:1: number: is odd");
    option_refuse(NULL, &err, "number", "is odd");
    ck_assert_str_eq(err.text, "number: is odd");
    ck_assert_int_eq(option_refuse(file, NULL, "number", "is odd"), OPTION_INVALID);
    option_file_free(file);
}
END_TEST

START_TEST(fixed_changes_are_listed)
{
    struct outer a, b;
    _cleanup_buf_ struct buf keys = { 0 };
    assert_accepted("many = ( { name = \"x\"; } ); words = ( \"a\" );", &a);
    assert_accepted("many = ( { name = \"x\"; } ); words = ( \"a\" );", &b);
    ck_assert_uint_eq(option_list_fixed_changes(&table, &a, &b, &keys), 0);
    option_done(&table, &b);
    assert_accepted("many = ( { name = \"y\"; count = 9; } ); words = ( \"b\" ); wait = \"1s\"; number = 8;\n"
                    "secret = \"pass\"; one: { name = \"x\"; count = 1; };",
                    &b);
    ck_assert_uint_eq(option_list_fixed_changes(&table, &a, &b, &keys), 5);
    ck_assert_str_eq(keys.data, "secret, number, words[0], one.name, many[0].name");
    option_done(&table, &b);
    assert_accepted("many = (); words = ( \"a\" );", &b);
    buf_reset(&keys);
    ck_assert_uint_eq(option_list_fixed_changes(&table, &a, &b, &keys), 1);
    ck_assert_str_eq(keys.data, "many");
    option_done(&table, &a);
    option_done(&table, &b);
}
END_TEST

START_TEST(reloadable_values_are_exchanged_and_the_others_stay)
{
    struct outer a, b;
    assert_accepted("number = 1; wait = \"1s\"; one: { name = \"a\"; count = 1; };\n"
                    "many = ( { name = \"x\"; count = 1; }, { name = \"y\"; count = 2; } );",
                    &a);
    assert_accepted("number = 2; wait = \"2s\"; one: { name = \"b\"; count = 2; };\n"
                    "many = ( { name = \"x\"; count = 7; }, { name = \"y\"; count = 8; } );",
                    &b);
    option_swap_reloadable(&table, &a, &b);
    ck_assert_int_eq(a.number, 1);
    ck_assert_int_eq(a.wait_us, 2 * USEC_PER_SEC);
    ck_assert_int_eq(b.wait_us, USEC_PER_SEC);
    ck_assert_str_eq(a.one.name, "a");
    ck_assert_int_eq(a.one.count, 2);
    ck_assert_int_eq(a.many[0].count, 7);
    ck_assert_int_eq(a.many[1].count, 8);
    ck_assert_int_eq(b.many[1].count, 2);
    option_done(&table, &b);
    /* Another list: none of its elements is taken. */
    assert_accepted("many = ( { name = \"y\"; count = 3; }, { name = \"x\"; count = 4; } );", &b);
    option_swap_reloadable(&table, &a, &b);
    ck_assert_int_eq(a.many[0].count, 7);
    ck_assert_int_eq(a.wait_us, 90 * USEC_PER_SEC);
    option_done(&table, &a);
    option_done(&table, &b);
}
END_TEST

START_TEST(reference_has_every_row)
{
    _cleanup_buf_ struct buf markdown = { 0 }, text = { 0 };
    option_print_markdown(&table, &markdown);
    ck_assert_ptr_nonnull(
        strstr(markdown.data, "| `wait` | duration | `\"90s\"` | 1ms to 1h | yes | Wait |\n"));
    ck_assert_ptr_nonnull(
        strstr(markdown.data, "| `secret` | string | none | not empty | no | Secret; `secret_file`"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "\n## `many[]`\n\nMany groups.\n\n| key |"));
    ck_assert_ptr_nonnull(strstr(markdown.data, "| `count` | integer | `3` | 1 to 9 | yes | A count |\n"));
    option_print_text(&table, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "  wait (duration, 1ms to 1h)\n      Wait; default: \"90s\"\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "  many[].name (string)\n      A name; required\n"));
}
END_TEST

SUITE_MAIN("option", defaults_come_from_the_table, every_type_is_read, other_spellings_are_read,
           wrong_values_say_what_was_expected_and_found, unknown_keys_name_the_nearest,
           broken_files_name_the_line, comments_and_strings_are_not_searched_for_numbers,
           secrets_are_never_printed, unreadable_files_are_told_apart,
           file_of_the_largest_size_is_read_and_one_more_is_not, included_files_are_read_and_checked_alike,
           secret_comes_from_a_file, wrong_secret_files_are_refused,
           secret_that_is_not_needed_may_be_unreadable, caller_refuses_at_the_same_place,
           fixed_changes_are_listed, reloadable_values_are_exchanged_and_the_others_stay,
           reference_has_every_row)
