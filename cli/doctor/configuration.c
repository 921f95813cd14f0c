/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the configuration, and of the files that it names. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"

static void check_configuration(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    if (config->path)
        doctor_well(d, NULL, "%s: %zu queues, %zu handlers", config->path, config->n_queues,
                    config->n_handlers);
    else
        doctor_warning(d, NULL, "No handler is configured, so workers started the same way run nothing.",
                       "write " CONFIG_PATH_DEFAULT ", or name a file with -c or JOB_CONFIG",
                       "no file: everything has its default");
}

/* --- Handlers' files --- */

/* Its head only: what a module runs when it is loaded is for executors to run. */
static bool is_loadable(const char *path)
{
    Elf64_Ehdr head, own;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = open(path, O_RDONLY | O_CLOEXEC);
    bool whole =
        read(fd, &head, sizeof(head)) == sizeof(head) && read(self, &own, sizeof(own)) == sizeof(own);
    close(fd);
    close(self);
    return whole && memcmp(head.e_ident, own.e_ident, EI_VERSION + 1) == 0 && head.e_type == ET_DYN &&
           head.e_machine == own.e_machine;
}

static void check_module(struct doctor *d, const struct config_handler *h)
{
    static const char meaning[] =
        "Workers on this host refuse to start, or keep the handlers that they have.";
    if (access(h->path, R_OK) != 0)
        doctor_problem(d, h->type, meaning, "install the module, or correct handlers.path", "%s: %m",
                       h->path);
    else if (!is_loadable(h->path))
        doctor_problem(d, h->type, meaning, "build the module for this machine: cc -shared -fPIC",
                       "%s is no shared object of this machine", h->path);
}

static void check_command(struct doctor *d, const struct config_handler *h)
{
    struct stat st;
    if (access(h->argv[0], X_OK) != 0)
        doctor_problem(d, h->type, "Each of its jobs fails.",
                       "install the program, chmod +x it, or correct handlers.argv", "%s: %m", h->argv[0]);
    else if (stat(h->argv[0], &st) == 0 && !S_ISREG(st.st_mode))
        doctor_problem(d, h->type, "Each of its jobs fails.", "name a program in handlers.argv",
                       "%s is no file that can be run", h->argv[0]);
}

static void check_handlers(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    size_t before = doctor_mark(d);
    for (size_t i = 0; i < config->n_handlers; i++) {
        const struct config_handler *h = &config->handlers[i];
        if (h->kind == CONFIG_KIND_MODULE)
            check_module(d, h);
        else if (h->kind == CONFIG_KIND_COMMAND)
            check_command(d, h);
    }
    if (config->n_handlers && doctor_is_content(d, before))
        doctor_well(d, NULL, "the files of %zu handlers are there", config->n_handlers);
}

/* --- Secrets --- */

/* Return: the file's text, to be freed; NULL: it cannot be read. */
static char *read_text(const char *path)
{
    char *text = calloc(1, OPTION_FILE_MAX + 1);
    FILE *file = text ? fopen(path, "re") : NULL;
    if (file) {
        text[fread(text, 1, OPTION_FILE_MAX, file)] = '\0';
        fclose(file);
    }
    return text;
}

/* Is the password in the file itself, and not in one that the file names? */
static bool file_has(const char *path, const char *password)
{
    _cleanup_free_ char *text = read_text(path);
    return text && *password && strstr(text, password) != NULL;
}

static void check_readers(struct doctor *d)
{
    struct stat st;
    char password[512];
    const struct job_config *config = d->in->config;
    if (!config->path || stat(config->path, &st) != 0 || !(st.st_mode & (S_IROTH | S_IWOTH)) ||
        !db_find_password(config->database.url, password, sizeof(password)))
        return;
    if (file_has(config->path, password))
        doctor_warning(d, "database.url", "Everyone on this host has the database's password.",
                       doctor_format(d,
                                     "chmod o-rw %.300s, or move it to a file of its own: database.url_file",
                                     config->path),
                       "%s may be read by everyone, and has the password in it", config->path);
    explicit_bzero(password, sizeof(password));
}

static void check_secrets(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    size_t before = doctor_mark(d), n = 0;
    check_readers(d);
    for (size_t i = 0; i < config->n_handlers; i++) {
        const struct config_handler *h = &config->handlers[i];
        n += h->secret || h->secret_unread;
        if (h->secret_unread)
            doctor_warning(
                d, h->type, "A worker that cannot read it refuses to start.",
                "let the worker's user read the file, and nobody else (chmod 640, chgrp); or run doctor as that user",
                "its secret cannot be read by this user: %s", h->secret_unread);
    }
    if (n && doctor_is_content(d, before))
        doctor_well(d, NULL, "%zu handlers have one that can be read", n);
}

const struct doctor_check doctor_configuration[] = {
    { "configuration", 0, check_configuration },
    { "handlers", 0, check_handlers },
    { "secrets", 0, check_secrets },
    { 0 },
};
