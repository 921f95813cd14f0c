/* SPDX-License-Identifier: Apache-2.0 */
#include "attachment.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "libjob/context.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */
static struct attachments attachments;
static char folder[] = "/tmp/test_attachment.XXXXXX";
static json_t *list;

static int read_list(const char *text, size_t max_size)
{
    attachments_done(&attachments);
    json_decref(list);
    list = json_loads(text, JSON_ALLOW_NUL, NULL);
    ck_assert_msg(list != NULL, "%s", text);
    ctx.error[0] = 0;
    return attachments_read(&ctx, list, folder, max_size, &attachments);
}

static void check(const char *text, int verdict, const char *error)
{
    ck_assert_msg(read_list(text, 1000) == verdict, "%s: %s", text, ctx.error);
    ck_assert_str_eq(ctx.error, error);
}

/* A folder with a file, one beneath it, a secret beside it, and links to all of them. */
static void folder_open(void)
{
    static const char *const commands[] = {
        "mkdir %s/files %s/files/sub",  "printf 0123456789 >%s/files/a.txt",
        "printf x >%s/files/sub/b.PDF", "printf secret >%s/secret",
        "ln -s a.txt %s/files/inside",  "ln -s ../secret %s/files/outside",
        "ln -s %s %s/files/up",         "ln -s %s/files/a.txt %s/files/absolute",
        "ln -s loop %s/files/loop",     "mkfifo %s/files/fifo",
        "printf x >%s/files/.hidden",   "printf x >%s/files/-rf"
    };
    char command[256];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(command, sizeof(command), commands[i], folder, folder);
#pragma GCC diagnostic pop
        ck_assert_int_eq(system(command), 0);
    }
}

static void clean_up(void)
{
    char command[256];
    attachments_done(&attachments);
    json_decref(list);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static int read_from_files(const char *file)
{
    char text[256], files[64];
    snprintf(text, sizeof(text), "[{\"file\": \"%s\"}]", file);
    attachments_done(&attachments);
    json_decref(list);
    list = json_loads(text, JSON_ALLOW_NUL, NULL);
    ck_assert_msg(list != NULL, "%s", text);
    snprintf(files, sizeof(files), "%s/files", folder);
    ctx.error[0] = 0;
    return attachments_read(&ctx, list, files, 1000, &attachments);
}

START_TEST(files_of_the_folder_are_read)
{
    folder_open();
    ck_assert_int_eq(read_from_files("a.txt"), JOB_DONE);
    ck_assert_uint_eq(attachments.n_rows, 1);
    ck_assert_uint_eq(attachments.rows[0].size, 10);
    ck_assert_int_eq(memcmp(attachments.rows[0].data, "0123456789", 10), 0);
    ck_assert_str_eq(attachments.rows[0].name, "a.txt");
    ck_assert_str_eq(attachments.rows[0].type, "text/plain");
    ck_assert_int_eq(read_from_files("sub/b.PDF"), JOB_DONE);
    ck_assert_str_eq(attachments.rows[0].name, "b.PDF");
    ck_assert_str_eq(attachments.rows[0].type, "application/pdf");
    ck_assert_int_eq(read_from_files("inside"), JOB_DONE); /* a link that stays in the folder */
    clean_up();
}
END_TEST

START_TEST(no_name_leads_out_of_the_folder)
{
    static const char *const bad_names[] = {
        "../secret", "sub/../../secret", "/etc/passwd", "",       ".",      "..",     "a//b",
        "sub/",      ".hidden",          "-rf",         "sub/-x", "a\\\\b", "./a.txt"
    };
    static const char *const leading_out[] = { "outside", "up/secret", "absolute", "loop" };
    folder_open();
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        ck_assert_msg(read_from_files(bad_names[i]) == JOB_FAIL, "%s", bad_names[i]);
        ck_assert_str_eq(ctx.error, "attachments[0].file: is no path beneath a folder");
    }
    for (size_t i = 0; i < sizeof(leading_out) / sizeof(leading_out[0]); i++) {
        ck_assert_msg(read_from_files(leading_out[i]) == JOB_FAIL, "%s", leading_out[i]);
        ck_assert_str_eq(ctx.error, "attachments[0].file: leads out of its folder");
    }
    ck_assert_int_eq(read_from_files("a\\u0000.txt"), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "attachments[0].file: has control characters or is no UTF-8");
    clean_up();
}
END_TEST

START_TEST(what_is_no_file_is_refused_and_what_is_absent_is_tried_again)
{
    folder_open();
    ck_assert_int_eq(read_from_files("fifo"), JOB_FAIL); /* and nobody waits for its writer */
    ck_assert_str_eq(ctx.error, "attachments[0].file: is no regular file");
    ck_assert_int_eq(read_from_files("sub"), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "attachments[0].file: is no regular file");
    ck_assert_int_eq(read_from_files("none.txt"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "attachments[0].file: No such file or directory");
    attachments_done(&attachments);
    ck_assert_int_eq(attachments_read(&ctx, list, NULL, 1000, &attachments), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "WELCOME_EMAIL_ATTACHMENTS: is not set");
    attachments_done(&attachments);
    ck_assert_int_eq(attachments_read(&ctx, list, "/nowhere", 1000, &attachments), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "/nowhere: No such file or directory");
    clean_up();
}
END_TEST

START_TEST(sizes_are_counted_together)
{
    static const char two[] = "[{\"content\": \"MDEyMzQ1Njc4OQ==\", \"name\": \"a\"},"
                              " {\"content\": \"MDEyMzQ1Njc4OQ==\", \"name\": \"b\"}]";
    ck_assert_int_eq(read_list(two, 20), JOB_DONE);
    ck_assert_int_eq(read_list(two, 19), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "attachments[1]: is too large");
    folder_open();
    ck_assert_int_eq(read_list("[{\"file\": \"files/a.txt\"}]", 10), JOB_DONE);
    ck_assert_int_eq(read_list("[{\"file\": \"files/a.txt\"}]", 9), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "attachments[0]: is too large");
    clean_up();
}
END_TEST

START_TEST(labels_are_checked)
{
    static const char *const names[] = { "", "a/b", "../x", ".x", "-x", "a\\\\b" };
    static const char *const types[] = { "",         "text",       "text/",           "/x",
                                         "a/b; c=d", "a/b\\\"",    "multipart/mixed", "Message/RFC822",
                                         "a/b/c",    "text /plain" };
    static const char *const cids[] = { "", "a b", "a>", "<a>", "a@b", "ä" };
    char text[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(text, sizeof(text), "[{\"content\": \"\", \"name\": \"%s\"}]", names[i]);
        check(text, JOB_FAIL, "attachments[0].name: is no file's name");
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        snprintf(text, sizeof(text), "[{\"content\": \"\", \"name\": \"a\", \"type\": \"%s\"}]", types[i]);
        check(text, JOB_FAIL, "attachments[0].type: is no media type of a single part");
    }
    for (size_t i = 0; i < sizeof(cids) / sizeof(cids[0]); i++) {
        snprintf(text, sizeof(text), "[{\"content\": \"\", \"name\": \"a\", \"cid\": \"%s\"}]", cids[i]);
        check(text, JOB_FAIL, "attachments[0].cid: is not made of 1 to 64 letters, digits and !#$&^_.+-");
    }
    check("[{\"content\": \"\", \"name\": \"a\\r\\nX: y\"}]", JOB_FAIL,
          "attachments[0].name: has control characters or is no UTF-8");
    check("[{\"content\": \"\", \"name\": \"a\", \"cid\": \"a\\r\\n\"}]", JOB_FAIL,
          "attachments[0].cid: has control characters or is no UTF-8");
    check("[{\"content\": \"\"}]", JOB_FAIL, "attachments[0].name: is missing");
    check("[{\"name\": \"a\"}]", JOB_FAIL, "attachments[0]: has not one of file and content");
    check("[{\"content\": \"\", \"file\": \"a\"}]", JOB_FAIL,
          "attachments[0]: has not one of file and content");
    check("[\"a\"]", JOB_FAIL, "attachments[0]: is no object");
    check("[{\"content\": 5, \"name\": \"a\"}]", JOB_FAIL, "attachments[0].content: is no base64");
    check(
        "[{}, {},{},{},{},{},{},{},{},{}, {},{},{},{},{},{},{},{},{}, {},{},{},{},{},{},{},{},{}, {},{},{},{},{}]",
        JOB_FAIL, "attachments: more than 32");
}
END_TEST

START_TEST(base64_is_read_strictly)
{
    static const struct {
        const char *text, *bytes;
    } good[] = { { "", "" },        { "Zg==", "f" },          { "Zm8=", "fo" },
                 { "Zm9v", "foo" }, { "Zm9vYmFy", "foobar" }, { "+/+/", "\xfb\xff\xbf" } };
    static const char *const bad[] = { "Z",      "Zg",    "Zg=",  "Zg===", "Zh==",     "Zm9=",
                                       "Zm9v\n", "Zm 9v", "-_-_", "====",  "Zg==Zg==", "Z===" };
    char *bytes;
    size_t size;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert(base64_decode(good[i].text, strlen(good[i].text), &bytes, &size));
        ck_assert_uint_eq(size, strlen(good[i].bytes));
        ck_assert_int_eq(memcmp(bytes, good[i].bytes, size), 0);
        free(bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!base64_decode(bad[i], strlen(bad[i]), &bytes, &size), "%s", bad[i]);
}
END_TEST

SUITE_MAIN("attachment", files_of_the_folder_are_read, no_name_leads_out_of_the_folder,
           what_is_no_file_is_refused_and_what_is_absent_is_tried_again, sizes_are_counted_together,
           labels_are_checked, base64_is_read_strictly)
