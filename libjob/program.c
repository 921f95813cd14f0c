/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/program.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "libjob/config_servers.h"

enum {
    OPTION_CONFIG = 'c',
    OPTION_HELP = 'h',
    OPTION_CHECK = 256,
    OPTION_LOG_LEVEL,
    OPTION_VERSION,
    OPTION_OWN
};

#define OWN_MAX 16

static const struct {
    const char *text;
    const char *help;
    struct option option;
} common_options[] = {
    { "-c, --config FILE",
      "configuration (default: $JOB_CONFIG, else " CONFIG_PATH_DEFAULT ")",
      { "config", required_argument, NULL, OPTION_CONFIG } },
    { "    --check",
      "say whether the configuration is right, and end",
      { "check", no_argument, NULL, OPTION_CHECK } },
    { "    --log-level LEVEL",
      "error, warning, info or debug (default: as the configuration says)",
      { "log-level", required_argument, NULL, OPTION_LOG_LEVEL } },
    { "    --version", "print the version, and end", { "version", no_argument, NULL, OPTION_VERSION } },
    { "-h, --help", "print this, and end", { "help", no_argument, NULL, OPTION_HELP } },
};

static void print_option(const char *text, const char *help)
{
    printf("  %-24s  %s\n", text, help);
}

static void print_help(const struct program *program)
{
    char text[64];
    printf("%s %s\n\nUsage: %s [OPTION]...\n\n", program->name, program->summary, program->name);
    for (size_t i = 0; i < program->n_options; i++) {
        const struct program_option *o = &program->options[i];
        snprintf(text, sizeof(text), "    --%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        print_option(text, o->help);
    }
    for (size_t i = 0; i < ARRAY_SIZE(common_options); i++)
        print_option(common_options[i].text, common_options[i].help);
    printf("\nExit status: 0 fine, 1 failed, 2 usage or configuration.\n");
}

static void list_options(const struct program *program, struct option *list)
{
    size_t n = 0;
    for (; n < ARRAY_SIZE(common_options); n++)
        list[n] = common_options[n].option;
    for (size_t i = 0; i < program->n_options && i < OWN_MAX; i++)
        list[n++] = (struct option){ program->options[i].name,
                                     program->options[i].argument ? required_argument : no_argument, NULL,
                                     OPTION_OWN + (int)i };
    list[n] = (struct option){ 0 };
}

static int end(int status, int *ret_status)
{
    *ret_status = status;
    return PROGRAM_DONE;
}

static int complain(const struct program *program, const char *what, const char *argument, int *ret_status)
{
    fprintf(stderr, "%s: %s%s%s; see %s --help\n", program->name, what, argument ? " " : "",
            argument ? argument : "", program->name);
    return end(PROGRAM_USAGE, ret_status);
}

struct parsing {
    const struct program *program;
    struct program_common common;
    enum log_level level;
};

static int take_option(struct parsing *p, int option, int *ret_status)
{
    switch (option) {
    case OPTION_CONFIG:
        p->common.config_path = optarg;
        return 0;
    case OPTION_CHECK:
        p->common.check = true;
        return 0;
    case OPTION_LOG_LEVEL:
        if (log_level_parse(optarg, &p->level))
            return complain(p->program, "--log-level: expected error, warning, info or debug, found", optarg,
                            ret_status);
        p->common.has_level = true;
        return 0;
    case OPTION_HELP:
        print_help(p->program);
        return end(PROGRAM_FINE, ret_status);
    case OPTION_VERSION:
        printf("%s %s\n", p->program->name, JOB_VERSION);
        return end(PROGRAM_FINE, ret_status);
    default:
        *p->program->options[option - OPTION_OWN].value = optarg ? optarg : "";
        return 0;
    }
}

int program_parse(const struct program *program, int argc, char **argv, struct program_common *ret,
                  int *ret_status)
{
    struct option list[ARRAY_SIZE(common_options) + OWN_MAX + 1];
    struct parsing p = { .program = program,
                         .common.runs_handlers = program->runs_handlers,
                         .level = LOG_LEVEL_INFO };
    list_options(program, list);
    optind = 0;
    opterr = 0;
    for (int option, r; (option = getopt_long(argc, argv, "+:c:h", list, NULL)) != -1;) {
        if (option == ':')
            return complain(program, "an argument is missing behind", argv[optind - 1], ret_status);
        if (option == '?')
            return complain(program, "unknown option", argv[optind - 1], ret_status);
        r = take_option(&p, option, ret_status);
        if (r)
            return r;
    }
    if (optind < argc)
        return complain(program, "unexpected argument", argv[optind], ret_status);
    log_init(program->name, p.level);
    *ret = p.common;
    return 0;
}

void program_set_log_level(const struct program_common *common, const struct job_config *config)
{
    if (!common->has_level)
        log_set_level((enum log_level)config->log_level);
}

int program_load(const struct program_common *common, struct job_config **ret, struct err *reterr)
{
    struct config_rules rules = config_server_rules;
    rules.runs_handlers = common->runs_handlers;
    int r = config_load(ret, common->config_path, &rules, reterr);
    return r && !*reterr->text ? err_set(reterr, r, "%s", strerror(-r)) : r;
}

int program_configure(const struct program *program, const struct program_common *common,
                      struct job_config **ret, int *ret_status)
{
    struct err err = { 0 };
    _cleanup_config_ struct job_config *config = NULL;
    int r = program_load(common, &config, &err);
    if (r) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return end(r > 0 ? PROGRAM_USAGE : PROGRAM_FAILED, ret_status);
    }
    if (common->check) {
        printf("%s: the configuration is right\n",
               config->path ? config->path : "no configuration file, all defaults");
        return end(PROGRAM_FINE, ret_status);
    }
    program_set_log_level(common, config);
    *ret = steal(config);
    return 0;
}
