/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples as a newcomer would use them, and what README.md says is typed, word for word.
 *
 * All of them have the topics "job.<queue>", as they are written: so they are one program, whose tests run one after the other.
 */
#define SUITE_TIMEOUT_S 90
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/harness.h"
#include "tests/support/shell.h"
#include "tests/support/suite.h"

static struct site *site;
static pid_t sink;

/* A site whose folder has what a checkout has. */
static void open_checkout(void)
{
    site = site_new(&(struct site_options){
        .prefix = "job",
        .queues = "{ name = \"default\"; partitions = 2; }, { name = \"mail\"; partitions = 1; },"
                  "{ name = \"selftest\"; partitions = 2; }",
        .handlers =
            "{ type = \"count_words\"; kind = \"module\"; path = \"${build}/examples/handler.so\"; },"
            "{ type = \"count\"; kind = \"command\"; argv = ( \"" SOURCE_ROOT "/examples/handler.sh\" );"
            "  max_attempts = 1; },"
            "{ type = \"sum\"; kind = \"command\"; argv = ( \"" SOURCE_ROOT "/examples/handler.py\" ); },"
            "{ type = \"welcome_email\"; kind = \"module\"; queue = \"mail\";"
            "  path = \"${build}/jobs/welcome_email/welcome_email.so\"; },"
            "{ type = \"selftest.*\"; kind = \"module\"; queue = \"selftest\";"
            "  path = \"${build}/jobs/selftest/selftest.so\"; }",
    });
    shell_enter(site);
    shell_ask(site, "ln -s '%s' build && ln -s " SOURCE_ROOT "/* . 2>/dev/null; mkdir .dev",
              site_build(site));
}

/* The same with broker, worker and a mail server, as ./dev up has them. */
static void start(void)
{
    char line[16], url[64];
    open_checkout();
    const char *const argv[] = {
        SMTPSINK, "--port", "0", "--port-file", "-", "--dir", site_folder(site), NULL
    };
    sink = shell_start(argv, line, sizeof(line));
    snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", atoi(line));
    setenv("WELCOME_EMAIL_SMTP_URL", url, 1);
    setenv("WELCOME_EMAIL_FROM", "Shop <hello@shop.example>", 1);
    site_start_broker(site);
    site_start_worker(site);
}

static void stop(void)
{
    if (sink)
        shell_stop(sink, SIGKILL);
    site_free(site);
}

static void check_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is missing in:\n%s", part, text);
}

static void await_words(int words, int jobs)
{
    site_await(site, 20, "SELECT count(*) = %d FROM job.result WHERE result = '{\"words\": %d}'", jobs,
               words);
}

static void check_fails(const char *command, const char *error)
{
    char *output;
    ck_assert_msg(shell_run(site, &output, "%s", command) != 0, "\"%s\" should fail:\n%s", command, output);
    check_has(output, error);
    free(output);
}

/* --- examples/ --- */

START_TEST(example_program_enqueues_what_the_example_handler_runs)
{
    start();
    char *id = strdup(shell_ask(site, "build/examples/enqueue count_words '\"one two  three\"' default"));
    site_await(site, 20,
               "SELECT state = 'succeeded' AND result = '{\"words\": 3}' FROM job.result WHERE id = '%s'",
               id);
    free(id);
    id = strdup(shell_ask(site, "build/examples/enqueue count_words '' default"));
    site_await(site, 20,
               "SELECT reason = 'failed' AND error = 'there is no text' FROM job.dead WHERE id = '%s'", id);
    free(id);
    check_fails("build/examples/enqueue count_words '{' default", "enqueue: ");
    stop();
}
END_TEST

/* Two words, and what a shell, SQL and JSON could take for their own. */
#define HOSTILE "'\"it'\\''s;--$(exit)\\n%%s :type `x`\"'"

START_TEST(producers_in_other_languages_enqueue_with_standard_clients)
{
    start();
    shell_ask(site, "examples/produce.py count_words " HOSTILE);
    await_words(3, 1);
    shell_ask(site, "examples/produce_sql.py count_words " HOSTILE);
    await_words(3, 2);
    shell_ask(site, "examples/produce.sh kafka count_words " HOSTILE);
    await_words(3, 3);
    shell_ask(site, "examples/produce.sh sql count_words " HOSTILE);
    await_words(3, 4);
    shell_ask(site, "node examples/produce.js count_words " HOSTILE);
    await_words(3, 5);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    stop();
}
END_TEST

START_TEST(producers_say_when_a_job_was_not_enqueued)
{
    open_checkout();
    check_fails("examples/produce.py count_words '\"x\"' nowhere", "Message timed out");
    check_fails("examples/produce_sql.py count_words '\"x\"' No-Queue", "queue");
    check_fails("examples/produce.sh kafka count_words '\"x\"' nowhere", "timed out");
    check_fails("examples/produce.sh sql count_words '\"x\"' No-Queue", "queue");
    check_fails("examples/produce.sh pigeon count_words", "pigeon? kafka or sql");
    check_fails("node examples/produce.js count_words '\"x\"' nowhere", "does not host this topic");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    stop();
}
END_TEST

START_TEST(handlers_in_shell_and_python_run)
{
    start();
    check_has(shell_ask(site, "jobctl enqueue sum --payload '{\"numbers\": [1, 2, 3.5]}' --wait"),
              "\"sum\": 6.5");
    check_has(
        shell_ask(
            site,
            "printf 12345 >five; jobctl enqueue count --payload \"{\\\"file\\\": \\\"$PWD/five\\\"}\" --wait"),
        "\"bytes\": 5");
    check_fails("jobctl enqueue sum --payload '{\"numbers\": [\"x\"]}' --wait",
                "the payload is wrong: TypeError");
    check_fails("jobctl enqueue sum --payload '[]' --wait", "the payload is wrong: TypeError");
    check_fails("jobctl enqueue count --payload '{}' --wait", "the payload has no \\\"file\\\"");
    check_fails("jobctl enqueue count --payload '{\"file\": \"/nowhere\"}' --wait", "cannot be read");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'failed'"), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'exhausted'"), 1);
    stop();
}
END_TEST

/* --- an installed prefix --- */

/* What "meson install" makes, below root/; the words that pkg-config needs to find it there, and a sanitizer's runtime if there is one. */
#define INSTALL "DESTDIR=$PWD/root meson install -C build --no-rebuild --quiet\n"
#define INSTALLED                                                                                            \
    "export PKG_CONFIG_SYSROOT_DIR=$PWD/root PKG_CONFIG_PATH=$(dirname \"$(find root -name libjob.pc)\")\n"  \
    "export LD_LIBRARY_PATH=$(dirname \"$(find root -name libjob.so)\")\n"                                   \
    "cc() { command cc \"$@\" " LINK_ARGS "; }; c++() { command c++ \"$@\" " LINK_ARGS "; }\n"

START_TEST(installed_library_is_found_by_pkg_config_in_c_and_cplusplus)
{
    start();
    shell_ask(site, INSTALL);
    shell_ask(site,
              INSTALLED "cc -Wall -Werror -o app examples/enqueue.c $(pkg-config --cflags --libs libjob) &&"
                        "./app count_words '\"a b c d e\"' default");
    await_words(5, 1);
    shell_ask(
        site, INSTALLED
        "c++ -std=c++17 -Wall -Wextra -Werror -o app examples/enqueue.cc $(pkg-config --cflags --libs libjob) &&"
        "./app selftest 100 >ids && [ $(sort -u ids | wc -l) = 100 ]");
    site_await(site, 20,
               "SELECT count(*) = 100 FROM job.result WHERE type = 'selftest.echo' AND result ? 'number'");
    check_fails(INSTALLED "./app nowhere", "failed: Kafka has no topic for this queue");
    stop();
}
END_TEST

/* --- README.md --- */

/* The block of this language with @word in it, as it stands there. */
static const char *block(const char *language, const char *word)
{
    return shell_ask(
        site,
        "awk -v word='%s' '/^```/ { if (p && index(text, word)) printf \"%%s\", text; p = $0 == \"```%s\"; "
        "text = \"\"; next } p { text = text $0 \"\\n\" }' README.md",
        word, language);
}

START_TEST(every_block_of_the_readme_has_a_test)
{
    open_checkout();
    ck_assert_str_eq(shell_ask(site, "grep -c '^```sh$' README.md"), "7");
    ck_assert_str_eq(shell_ask(site, "grep -c '^```c$' README.md"), "2");
    ck_assert_str_eq(shell_ask(site, "grep -c '^```' README.md"), "18"); /* and no other language */
    stop();
}
END_TEST

/* The programs of the README themselves; that the examples are the same but for arguments is the README's word. */
START_TEST(readme_enqueues_in_c)
{
    start();
    const char *program = block("c", "job_client_open");
    shell_ask(site, INSTALL "cat >app.c <<'END'\n%s\nEND\n", program);
    check_has(shell_ask(site, "cat README.md"), "`cc app.c $(pkg-config --cflags --libs libjob)`");
    shell_ask(site, INSTALLED "cc app.c $(pkg-config --cflags --libs libjob) && ./a.out");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE result = '{\"hello\": \"world\"}'");
    stop();
}
END_TEST

START_TEST(readme_handles_in_c)
{
    open_checkout();
    check_has(shell_ask(site, "set -e\n%s", block("sh", "cc -shared")), "{\"words\": 6}");
    const char *module = block("c", "job_module");
    shell_ask(site,
              "cat >own.c <<'END'\n%s\nEND\ncc -shared -fPIC -Ilibjob/include -o .dev/count_words.so own.c",
              module);
    check_has(shell_ask(site, "jobworkerd -c .dev/words.conf --run count_words --payload '\"to be\"'"),
              "{\"words\": 2}");
    stop();
}
END_TEST

START_TEST(readme_enqueues_without_c)
{
    start();
    shell_ask(site, "set -e\n%s", block("sh", "kcat -P"));
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE result = '{\"hello\": \"kafka\"}'");
    shell_ask(site, "set -e\n%s", block("sh", "psql"));
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE result = '{\"hello\": \"sql\"}'");
    stop();
}
END_TEST

START_TEST(readme_looks_and_mends)
{
    start();
    const char *output = shell_ask(site, "set -e\n%s", block("sh", "jobctl dead list"));
    check_has(output, "welcome_email");
    check_has(output, "selftest.fail");
    site_await(site, 20,
               "SELECT count(*) = 1 FROM job.result WHERE type = 'welcome_email' AND state = 'succeeded'");
    site_await(
        site, 20,
        "SELECT count(*) = 1 FROM job.dead WHERE type = 'selftest.fail' AND delivery = 2"); /* replayed */
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'cancelled'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cron WHERE name = 'nightly'"), 1);
    stop();
}
END_TEST

/* In reduced form: nothing is downloaded or built again, no demo or test runs in a test, and this machine's systemd is left alone. */
START_TEST(readme_builds_and_installs)
{
    open_checkout();
    const char *demo = block("sh", "./dev demo"), *build = block("sh", "meson setup"),
               *units = block("sh", "systemctl");
    shell_ask(
        site,
        "cat >lines <<'END'\n%s\nEND\n[ $(grep -c '^\\./dev ' lines) = 2 ] && for verb in $(sed -n 's/^.\\/dev \\([a-z]*\\).*/\\1/p' lines); do ./dev --help | grep -q \"^  $verb\" || exit; done",
        demo);
    shell_ask(
        site,
        "cat >lines <<'END'\n%s\nEND\n"
        "for package in $(sed -n '/apt-get/,/[^\\\\]$/p' lines | sed 's/sudo apt-get install//' | tr -d '\\\\'); do "
        "dpkg-query -W \"$package\" || exit; done; grep -q '^sudo meson install -C build' lines",
        build);
    shell_ask(
        site,
        "set -e\n" INSTALL
        "ls root/usr/local/include/job.h root/usr/local/include/job_handler.h root/usr/local/bin/jobctl\n"
        "for file in libjob.so libjob.a libjob.pc jobbrokerd.service jobworkerd.service jobbrokerd jobworkerd; do "
        "find root -name $file | grep . || exit; done");
    shell_ask(
        site,
        "cat >lines <<'END'\n%s\nEND\ngrep -v '^sudo' lines >ours && bash -e ours && grep -c jobctl ours",
        units);
    stop();
}
END_TEST

SUITE_MAIN("examples", example_program_enqueues_what_the_example_handler_runs,
           producers_in_other_languages_enqueue_with_standard_clients,
           producers_say_when_a_job_was_not_enqueued, handlers_in_shell_and_python_run,
           installed_library_is_found_by_pkg_config_in_c_and_cplusplus, every_block_of_the_readme_has_a_test,
           readme_enqueues_in_c, readme_handles_in_c, readme_enqueues_without_c, readme_looks_and_mends,
           readme_builds_and_installs)
