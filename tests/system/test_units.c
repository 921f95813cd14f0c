/* SPDX-License-Identifier: Apache-2.0 */
/* The units as they are installed, under a systemd of their own: start, secrets, confinement, reload, watchdog, end. */
#define SUITE_TIMEOUT_S 180
#include "tests/support/suite.h"

#include <linux/landlock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/booted.h"
#include "tests/support/harness.h"

/* A type that is run by a script of sh(1). */
#define COMMAND(type, script)                                                                                \
    "{ type = \"" type "\"; kind = \"command\"; argv = ( \"/bin/sh\", \"-c\", \"" script                     \
    "\" ); queue = \"work\"; }"

static struct site *site;
static struct booted *machine;
static char folder[256]; /* what is laid over / is in its files/ */

/* --- What is installed --------------------------------------------------------------------------------------------------- */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/files/%s", folder, name);
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The site's configuration, with the database's URL in a credential. @name: "libjob"; @extra: behind it. */
static void write_config(const char *name, const char *extra)
{
    char line[4096], path[64];
    _cleanup_buf_ struct buf text = { 0 };
    FILE *file = fopen(site_config_path(site), "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file))
        buf_append_string(&text, strncmp(line, "database:", 9) == 0
                                     ? "database: { url_file = \"libjob.database-url\"; };\n"
                                     : line);
    fclose(file);
    buf_append_string(&text, extra);
    snprintf(path, sizeof(path), "etc/libjob/%s.conf", name);
    write_file(path, text.data);
}

static void drop_in(const char *unit, const char *text)
{
    char path[128];
    shell("mkdir -p '%s/files/etc/systemd/system/%s.d'", folder, unit);
    snprintf(path, sizeof(path), "etc/systemd/system/%s.d/test.conf", unit);
    write_file(path, text);
}

/* A machine on which all is installed and nothing is enabled. */
static void install(const char *handlers)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"work\"; partitions = 2; }",
        .worker =
            "queues = ( { name = \"work\"; }, { name = \"default\"; } ); executors_max = 3; drain_timeout = \"20s\";",
        .handlers = handlers });
    snprintf(folder, sizeof(folder), "%s/machine", site_folder(site));
    shell("mkdir -p '%s/files/etc/libjob' '%s/files/etc/default' '%s/files/etc/credstore'", folder, folder,
          folder);
    shell("DESTDIR='%s/files' meson install -C '%s' --no-rebuild --quiet >&2", folder, site_build(site));
    write_config("libjob", "");
    write_file("etc/credstore/libjob.database-url", site_database_url(site));
    shell("chmod 600 '%s/files/etc/credstore/libjob.database-url'", folder);
    /* Who looks for leaks traces itself, which nobody may in there. */
    write_file("etc/default/libjob", "ASAN_OPTIONS=detect_leaks=0\n");
}

static void boot(void)
{
    machine = booted_start(folder);
    booted_run(machine, "systemd-sysusers && systemd-tmpfiles --create libjob.conf");
}

static void start(const char *units)
{
    booted_run(machine, "systemctl start %s", units);
}

static void enqueue(const char *type)
{
    site_sql(site, "SELECT job.enqueue('work', '%s', '{}')", type);
}

static void end(void)
{
    booted_run(machine, "! journalctl -q | grep -E 'Sanitizer|runtime error:'");
    machine = booted_end(machine);
    site = site_free(site);
}

static void check_property(const char *unit, const char *property, const char *expected)
{
    char *value = booted_property(machine, unit, property);
    ck_assert_msg(strcmp(value, expected) == 0, "%s: %s is %s, not %s", unit, property, value, expected);
    free(value);
}

static char *ask_result(const char *type)
{
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result WHERE type = '%s'", type);
    char *result = site_ask_text(
        site, "SELECT COALESCE(result #>> '{}', error) FROM job.result WHERE type = '%s'", type);
    site_sql(site, "DELETE FROM job.result WHERE type = '%s'", type);
    return result;
}

static void check_result(const char *type, const char *expected)
{
    enqueue(type);
    char *result = ask_result(type);
    ck_assert_str_eq(result, expected);
    free(result);
}

/* --- Start and end -------------------------------------------------------------------------------------------------------- */

START_TEST(target_starts_what_is_enabled_and_ends_it)
{
    install(COMMAND("echo", "cat"));
    boot();
    booted_run(machine, "systemctl enable libjob.target jobbrokerd.service jobworkerd.service");
    start("libjob.target");
    booted_await(machine, 30, "systemctl is-active -q jobbrokerd && systemctl is-active -q jobworkerd");
    check_result("echo", "{}");
    check_property("jobworkerd.service", "ControlGroup", "/libjob.slice/jobworkerd.service");
    check_property("jobbrokerd.service", "ControlGroup", "/libjob.slice/jobbrokerd.service");
    booted_await(machine, 20, "systemctl show -p StatusText jobworkerd | grep -q '=running: 0 jobs on'");
    booted_run(machine, "systemctl stop libjob.target");
    check_property("jobworkerd.service", "Result", "success");
    check_property("jobbrokerd.service", "Result", "success");
    booted_run(machine, "! pgrep -u libjob");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.worker"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cursor WHERE owner IS NOT NULL"), 0);
    end();
}
END_TEST

/* The unit itself would have waited for 1 s. */
START_TEST(stop_waits_for_jobs_as_long_as_drain_timeout_says)
{
    install(COMMAND("long", "sleep 5; echo done"));
    drop_in("jobworkerd.service", "[Service]\nTimeoutStopSec=1s\n");
    boot();
    start("jobbrokerd jobworkerd");
    enqueue("long");
    booted_await(machine, 20, "pgrep -u libjob sleep");
    booted_run(machine, "systemctl stop jobworkerd");
    check_property("jobworkerd.service", "Result", "success");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 1);
    booted_run(machine, "! pgrep -u libjob sleep");
    end();
}
END_TEST

START_TEST(wrong_configuration_is_not_tried_again)
{
    install(COMMAND("echo", "cat"));
    write_config("libjob", "nonsense = 1;\n");
    drop_in("jobbrokerd.service", "[Service]\nRestartSec=100ms\n");
    drop_in("jobworkerd.service", "[Service]\nRestartSec=100ms\n");
    boot();
    static const char *const units[] = { "jobbrokerd.service", "jobworkerd.service" };
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_ne(booted_try(machine, NULL, "systemctl start %s", units[i]), 0);
        check_property(units[i], "ExecMainStatus", "2");
        check_property(units[i], "ActiveState", "failed"); /* it would be activating */
        booted_run(machine, "journalctl -q -u %s | grep -q 'nonsense: unknown key'", units[i]);
    }
    end();
}
END_TEST

/* --- Secrets and environment --------------------------------------------------------------------------------------------- */

START_TEST(instance_has_a_configuration_and_an_environment_of_its_own)
{
    install(COMMAND("greet", "echo $TZ$JOB_DATABASE_URL"));
    write_config("mail", "");
    write_file("etc/default/libjob-mail", "TZ=Pacific/Auckland\n");
    boot();
    start("jobbrokerd jobworkerd@mail");
    check_result("greet", "Pacific/Auckland\n");
    check_property("jobworkerd@mail.service", "ControlGroup", "/libjob.slice/jobworkerd@mail.service");
    end();
}
END_TEST

START_TEST(secret_is_with_the_services_and_with_root_alone)
{
    char *path = NULL;
    install(COMMAND("echo", "cat"));
    boot();
    start("jobbrokerd jobworkerd");
    check_result("echo", "{}");
    booted_run(machine, "CREDENTIALS_DIRECTORY=/etc/credstore jobctl doctor");
    ck_assert_int_eq(
        booted_try(machine, &path,
                   "setpriv --reuid nobody --clear-groups cat /etc/credstore/libjob.database-url "
                   "/run/credentials/jobworkerd.service/libjob.database-url"),
        1);
    ck_assert_ptr_null(strstr(path, "postgresql:"));
    free(path);
    booted_run(machine, "! grep -a 'postgresql''*:' /proc/[0-9]*/environ /proc/[0-9]*/cmdline");
    end();
}
END_TEST

/* --- What a job can reach ------------------------------------------------------------------------------------------------- */

static const char facts[] =
    "#!/bin/sh\n"
    "can() { if sh -c \"$2\" >/dev/null 2>&1; then echo \"$1: yes\"; else echo \"$1: no\"; fi; }\n"
    "can 'read its own secrets' 'cat /run/credentials/jobworkerd.service/libjob.database-url'\n"
    "can 'read the secrets of all' 'ls /etc/credstore'\n"
    "can 'write its state' 'touch /var/lib/libjob/file'\n"
    "can 'write temporary files' 'touch /tmp/file'\n"
    "can 'write beside its state' 'touch /var/lib/file || touch /etc/file || touch /usr/file'\n"
    "can 'write to /srv' 'touch /srv/file'\n"
    "can 'see homes' 'test -e /home/someone'\n"
    "can 'mount' 'mount -t tmpfs none /tmp'\n"
    "can 'make name spaces' 'unshare --user true'\n"
    "can 'become somebody else' 'su root -c true || setpriv --reuid 0 true'\n"
    "can 'set clocks' 'date -s @1'\n"
    "can 'see others' 'test -e /proc/1'\n"
    "can 'start a program' 'python3 -c print'\n"
    "echo \"Landlock: $(python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))')\"\n"
    "grep -E 'NoNewPrivs|CapBnd|Seccomp:' /proc/self/status\n"
    "echo \"group: $(cat /proc/self/cgroup)\"\n";

/* A machine whose jobs run that. */
static void install_facts(void)
{
    install("{ type = \"facts\"; kind = \"command\"; argv = ( \"/opt/facts\" ); queue = \"work\"; }");
    shell("cd '%s/files' && mkdir -p opt home/someone srv && chmod 777 srv", folder);
    write_file("opt/facts", facts);
    shell("chmod 755 '%s/files/opt/facts'", folder);
}

static void check_facts(const char *const *expected, size_t n)
{
    start("jobbrokerd jobworkerd");
    enqueue("facts");
    char *all = ask_result("facts");
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(strstr(all, expected[i]) != NULL, "no \"%s\" in\n%s", expected[i], all);
    free(all);
}

/* What the kernel has of Landlock, which jobs/encode confines ffmpeg with: its version, or -1. */
static const char *landlock(void)
{
    static char text[32];
    snprintf(text, sizeof(text), "Landlock: %ld",
             syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
    return text;
}

START_TEST(job_reaches_what_it_needs_and_no_more)
{
    const char *const expected[] = { "write its state: yes", "write to /srv: no",
                                     "write temporary files: yes", "write beside its state: no",
                                     "see homes: no", "mount: no", "make name spaces: no",
                                     "become somebody else: no", "set clocks: no", "see others: no",
                                     "start a program: yes", "read the secrets of all: no", "NoNewPrivs:\t1",
                                     "CapBnd:\t0000000000000000", "Seccomp:\t2",
                                     /* The group that was delegated, divided by the worker. */
                                     "/libjob.slice/jobworkerd.service/executor-",
                                     /* docs/systemd.md says so: a job has the user of its worker. */
                                     "read its own secrets: yes", landlock() };
    install_facts();
    boot();
    check_facts(expected, ARRAY_SIZE(expected));
    booted_run(machine, "test ! -e /tmp/file && test -e /var/lib/libjob/file");
    end();
}
END_TEST

/* docs/systemd.md */
START_TEST(drop_in_opens_what_a_handler_needs)
{
    static const char *const expected[] = {
        "write to /srv: yes", "see homes: yes",           "make name spaces: yes", "see others: yes",
        "mount: no",          "become somebody else: no", "NoNewPrivs:\t1"
    };
    install_facts();
    drop_in("jobworkerd.service", "[Service]\nReadWritePaths=/srv\nUMask=0022\nProtectHome=read-only\n"
                                  "RestrictNamespaces=no\nSystemCallFilter=@mount\nProtectProc=default\n"
                                  "LoadCredential=billing-key\n");
    write_file("etc/credstore/billing-key", "whsec_secret");
    boot();
    check_facts(expected, ARRAY_SIZE(expected));
    booted_run(machine, "test $(stat -c %%a /srv/file) = 644 && "
                        "test -e /run/credentials/jobworkerd.service/billing-key");
    end();
}
END_TEST

START_TEST(module_runs_in_the_unit)
{
    install("{ type = \"selftest.*\"; path = \"/opt/selftest.so\"; queue = \"work\"; }");
    shell("mkdir -p '%s/files/opt' && cp '%s/jobs/selftest/selftest.so' '%s/files/opt/'", folder,
          site_build(site), folder);
    boot();
    start("jobbrokerd jobworkerd");
    check_result("selftest.echo", "{}");
    site_sql(site, "SELECT job.enqueue('work', 'selftest.crash', '{\"signal\": 11, \"times\": 1}')");
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded' AND delivery = 2");
    end();
}
END_TEST

/* What is installed, as docs/systemd.md has it: it finds its files beside itself, and can do what it is there for. */
#define SHIPPED(type)                                                                                        \
    "{ type = \"" type "\"; path = \"" MODULES "/" type ".so\"; queue = \"work\"; max_attempts = 1; }"

static void check_dies(const char *type, const char *payload, const char *error)
{
    site_sql(site, "SELECT job.enqueue('work', '%s', '%s')", type, payload);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.dead WHERE type = '%s'", type);
    char *found = site_ask_text(site, "SELECT error FROM job.dead WHERE type = '%s'", type);
    ck_assert_msg(strstr(found, error) != NULL, "%s: %s", type, found);
    free(found);
}

START_TEST(shipped_modules_run_in_the_unit)
{
    install(SHIPPED("encode") "," SHIPPED("welcome_email") "," SHIPPED("report"));
    shell("mkdir -p '%s/files/srv/in' '%s/files/srv/out' && chmod 777 '%s/files/srv/out' && "
          "ffmpeg -v error -f lavfi -i testsrc=duration=1:size=64x48:rate=5 '%s/files/srv/in/a.mp4'",
          folder, folder, folder, folder);
    drop_in("jobworkerd.service",
            "[Service]\nReadWritePaths=/srv/out\nUMask=0022\n"
            "Environment=ENCODE_INPUT=/srv/in ENCODE_OUTPUT=/srv/out REPORT_OUTPUT=/srv/out\n"
            "Environment=WELCOME_EMAIL_SMTP_URL=smtp://127.0.0.1:1\n");
    write_file("etc/credstore/report-database", site_database_url(site));
    boot();
    start("jobbrokerd jobworkerd");
    site_sql(site, "SELECT job.enqueue('work', 'encode', '{\"input\": \"a.mp4\", \"preset\": \"mp4\", "
                   "\"output\": \"new/a.mp4\"}')");
    char *result = ask_result("encode");
    ck_assert_msg(strstr(result, "h264") != NULL, "%s", result);
    free(result);
    booted_run(machine, "test $(stat -c %%a /srv/out/new/a.mp4) = 644");
    check_dies("welcome_email", "{\"to\": \"ada@example.org\"}", "cannot talk to the mail server: ");
    if (HAVE_REPORT)
        check_dies("report", "{\"query\": \"jobs_per_day\", \"format\": \"pdf\"}", "is a superuser's");
    end();
}
END_TEST

/* --- Reload --------------------------------------------------------------------------------------------------------------- */

START_TEST(reload_takes_up_what_is_right_and_says_what_is_wrong)
{
    install(COMMAND("say", "echo one"));
    boot();
    start("jobbrokerd jobworkerd");
    check_result("say", "one\n");
    booted_run(machine, "sed -i 's/echo one/echo two/' /etc/libjob/libjob.conf");
    booted_run(machine, "systemctl reload jobworkerd jobbrokerd");
    booted_await(machine, 20, "journalctl -q -u jobworkerd | grep 'reload: done'");
    booted_await(machine, 20, "journalctl -q -u jobbrokerd | grep 'reload: done'");
    check_result("say", "two\n");
    booted_run(machine, "echo 'nonsense = 1;' >>/etc/libjob/libjob.conf");
    static const char *const units[] = { "jobbrokerd", "jobworkerd" };
    for (size_t i = 0; i < 2; i++) {
        booted_run(machine, "systemctl reload %s", units[i]); /* the log says what became of it */
        booted_await(machine, 20, "journalctl -q -u %s | grep -q 'nonsense: unknown key'", units[i]);
        booted_await(machine, 20, "systemctl is-active %s", units[i]);
    }
    check_result("say", "two\n");
    end();
}
END_TEST

/* --- Watchdog ------------------------------------------------------------------------------------------------------------- */

static void signal_main(const char *unit, const char *signal)
{
    booted_run(machine, "systemctl kill --kill-whom=main --signal=%s %s", signal, unit);
}

START_TEST(daemon_that_stands_still_is_replaced)
{
    static const char watchful[] = "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=500ms\nRestartSec=100ms\n";
    install(COMMAND("echo", "cat") ", " COMMAND("long", "exec sleep 3600"));
    drop_in("jobbrokerd.service", watchful);
    drop_in("jobworkerd.service", watchful);
    boot();
    start("jobbrokerd jobworkerd");
    enqueue("long");
    booted_await(machine, 20, "pgrep -u libjob sleep >/tmp/sleeper");
    signal_main("jobworkerd", "STOP");
    signal_main("jobbrokerd", "STOP");
    booted_await(machine, 20, "journalctl -q | grep 'jobworkerd.service: Watchdog timeout'");
    booted_await(machine, 20, "journalctl -q | grep 'jobbrokerd.service: Watchdog timeout'");
    booted_await(machine, 30,
                 "test $(systemctl show --value -p NRestarts jobworkerd) -ge 1 && "
                 "systemctl is-active -q jobworkerd && systemctl is-active -q jobbrokerd");
    booted_run(machine, "! test -e /proc/$(cat /tmp/sleeper)/exe");
    check_result("echo", "{}");
    end();
}
END_TEST

START_TEST(killed_worker_leaves_nobody_and_comes_again)
{
    install(COMMAND("echo", "cat") ", " COMMAND("long", "trap '' TERM; sleep 3600"));
    boot();
    start("jobbrokerd jobworkerd");
    enqueue("long");
    booted_await(machine, 20, "pgrep -u libjob sleep >/tmp/sleeper");
    signal_main("jobworkerd", "KILL");
    booted_await(
        machine, 20,
        "test $(systemctl show --value -p NRestarts jobworkerd) = 1 && systemctl is-active -q jobworkerd");
    booted_run(machine, "! test -e /proc/$(cat /tmp/sleeper)/exe");
    check_result("echo", "{}");
    end();
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = { target_starts_what_is_enabled_and_ends_it,
                                   stop_waits_for_jobs_as_long_as_drain_timeout_says,
                                   wrong_configuration_is_not_tried_again,
                                   instance_has_a_configuration_and_an_environment_of_its_own,
                                   secret_is_with_the_services_and_with_root_alone,
                                   job_reaches_what_it_needs_and_no_more,
                                   drop_in_opens_what_a_handler_needs,
                                   module_runs_in_the_unit,
                                   shipped_modules_run_in_the_unit,
                                   reload_takes_up_what_is_right_and_says_what_is_wrong,
                                   daemon_that_stands_still_is_replaced,
                                   killed_worker_leaves_nobody_and_comes_again };
    return booted_is_possible() ? suite_run("units", tests, sizeof(tests) / sizeof(tests[0]), argc, argv)
                                : EXIT_SUCCESS;
}
