/* SPDX-License-Identifier: Apache-2.0 */
/* A report's file: there whole, or not at all. */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libjob/context.h"
#include "tests/support/suite.h"

#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static char folder[] = "/tmp/test_report_output.XXXXXX";
static struct job_context ctx = {
    .id = "0199c41f-0123-7788-99aa-bbccddeeff00", .delivery = 3, .fence = "3.17", .cancel_fd = -1
};
static struct settings settings = { .output = folder, .spool = folder };

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void clean_up(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* The path of @name in the folder; valid until the next call. */
static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int count_files(const char *name)
{
    struct dirent **entries;
    int n = scandir(in_folder(name), &entries, NULL, alphasort);
    ck_assert_int_ge(n, 2);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return n - 2;
}

static void check_content(const char *name, const char *expected)
{
    char text[64] = { 0 };
    FILE *file = fopen(in_folder(name), "r");
    ck_assert_msg(file != NULL, "%s is missing", name);
    ck_assert_uint_le(fread(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
    fclose(file);
    ck_assert_str_eq(text, expected);
}

static struct output *begin(const char *path)
{
    struct output *o;
    ck_assert_msg(output_open(&ctx, &settings, path, &o) == JOB_DONE, "%s", ctx.error);
    return o;
}

static void put(const char *path, const char *text)
{
    struct output *o = begin(path);
    ck_assert_int_eq(output_write(o, text, strlen(text)), 0);
    ck_assert_int_eq(output_seal(&ctx, o), JOB_DONE);
    ck_assert_msg(output_publish(&ctx, o) == JOB_DONE, "%s", ctx.error);
    output_free(o);
}

START_TEST(file_appears_when_it_is_whole)
{
    set_up();
    struct output *o = begin("a/b/hello.csv");
    ck_assert_int_eq(output_write(o, "hel", 3), 0);
    ck_assert_int_eq(output_write(o, "lo", 2), 0);
    ck_assert_int_eq(output_seal(&ctx, o), JOB_DONE);
    ck_assert_int_eq(count_files("a/b"), 0);
    ck_assert_uint_eq(output_size(o), 5);
    ck_assert_str_eq(output_checksum(o), HELLO_SHA256);
    ck_assert_int_eq(output_publish(&ctx, o), JOB_DONE);
    output_free(o);
    check_content("a/b/hello.csv", "hello");
    ck_assert_int_eq(count_files("a/b"), 1);
    clean_up();
}
END_TEST

START_TEST(newer_file_takes_the_place_of_the_older)
{
    set_up();
    put("x.csv", "old");
    struct output *o = begin("x.csv");
    output_write(o, "half", 4);
    output_free(o); /* given up: nothing has happened */
    check_content("x.csv", "old");
    put("x.csv", "new");
    check_content("x.csv", "new");
    ck_assert_int_eq(count_files(""), 1);
    clean_up();
}
END_TEST

static void leave(const char *name)
{
    int fd = open(in_folder(name), O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

START_TEST(rest_of_an_earlier_execution_is_removed)
{
    set_up();
    leave(".0199c41f-0123-7788-99aa-bbccddeeff00.2.99.part");
    leave(".0199c41f-0123-7788-99aa-bbccddeeff00.3.16.part"); /* of a worker that lost the partition */
    put("x.csv", "new");
    ck_assert_int_eq(count_files(""), 1);
    clean_up();
}
END_TEST

/* A worker that has lost its partition may still run the job, as the same delivery. */
START_TEST(file_of_another_execution_is_left_alone)
{
    set_up();
    leave(".0199c41f-0123-7788-99aa-bbccddeeff00.3.18.part");
    leave(".0199c41f-0123-7788-99aa-bbccddeeff00.4.1.part");
    leave(".0199c41f-0123-7788-99aa-bbccddeeff01.2.1.part"); /* of another job */
    put("x.csv", "new");
    check_content("x.csv", "new");
    ck_assert_int_eq(count_files(""), 4);
    clean_up();
}
END_TEST

START_TEST(full_disk_is_told_and_leaves_nothing)
{
    set_up();
    char bytes[1000] = { 0 };
    struct output *o = begin("x.csv");
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), r = 0;
    ck_assert_int_ge(dup2(full, output_fd(o)), 0);
    close(full);
    for (int i = 0; i < 100; i++)
        r = output_write(o, bytes, sizeof(bytes));
    ck_assert_int_eq(r, -ENOSPC);
    ck_assert_int_eq(output_check(&ctx, o), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "cannot write the report: No space left on device");
    ck_assert_int_eq(output_seal(&ctx, o), JOB_RETRY);
    output_free(o);
    ck_assert_int_eq(count_files(""), 0);
    clean_up();
}
END_TEST

START_TEST(symbolic_link_is_no_way_out)
{
    set_up();
    struct output *o;
    ck_assert_int_eq(symlink("/tmp", in_folder("out")), 0);
    ck_assert_int_eq(output_open(&ctx, &settings, "out/x.csv", &o), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "destination: folder \"out\": Not a directory");
    ck_assert_int_eq(symlink("/etc/passwd", in_folder("x.csv")), 0);
    put("x.csv", "new"); /* replaces the link, not what it leads to */
    struct stat st;
    ck_assert_int_eq(lstat(in_folder("x.csv"), &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    clean_up();
}
END_TEST

START_TEST(places_that_cannot_be_used_are_told)
{
    set_up();
    struct output *o;
    put("x.csv", "a file");
    ck_assert_int_eq(output_open(&ctx, &settings, "x.csv/y.csv", &o), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "destination: folder \"x.csv\": Not a directory");
    ck_assert_int_eq(mkdir(in_folder("d.csv"), 0700), 0);
    o = begin("d.csv");
    ck_assert_int_eq(output_seal(&ctx, o), JOB_DONE);
    ck_assert_int_eq(output_publish(&ctx, o), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "destination: \"d.csv\": Is a directory");
    output_free(o);
    ck_assert_int_eq(count_files(""), 2);
    settings.output = "/nowhere";
    ck_assert_int_eq(output_open(&ctx, &settings, "x.csv", &o), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "/nowhere: No such file or directory");
    settings.output = NULL;
    ck_assert_int_eq(output_open(&ctx, &settings, "x.csv", &o), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "REPORT_OUTPUT: is not set, so there are no reports to a directory");
    ck_assert_int_eq(output_open(&ctx, &settings, NULL, &o),
                     JOB_DONE); /* on its way to S3: the spool will do */
    output_free(o);
    clean_up();
}
END_TEST

SUITE_MAIN("report_output", file_appears_when_it_is_whole, newer_file_takes_the_place_of_the_older,
           rest_of_an_earlier_execution_is_removed, file_of_another_execution_is_left_alone,
           full_disk_is_told_and_leaves_nothing, symbolic_link_is_no_way_out,
           places_that_cannot_be_used_are_told)
