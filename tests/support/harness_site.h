/* SPDX-License-Identifier: Apache-2.0 */
/* Inside tests/support/ only: what the harness's files share. */
#pragma once

#include "base/list.h"
#include "tests/support/harness.h"

#define SITE_PATH_SIZE 512

/* A process that clears away what a test leaves when it dies. */
struct keeper {
    int fd; /* the only writing end of its pipe */
    pid_t pid;
};

struct site {
    struct list daemons;
    unsigned n_daemons; /* ever started, for the names of logs */
    char folder[32];
    char name[32]; /* of the database; with '-' also the prefix */
    char prefix[32];
    char url[512]; /* of the database */
    char config_path[SITE_PATH_SIZE];
    char build[SITE_PATH_SIZE];
    const char *cgroup; /* where its programs start; NULL: where the test is */
    char *kafka;
    struct db *db;
    struct admin *admin;
    struct keeper keeper;
};

/* Ends the test. */
void site_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
int64_t site_deadline(double deadline_s);
/* A nap between two looks. Return: false when the deadline has passed. */
bool site_nap(int64_t deadline_us);

void site_stop_all(struct site *s);
void site_delete_topics(struct site *s);

/*
 * The keeper waits until the test dismisses it, or has died; then it calls @clear. To be started before there are
 * threads. @userdata is read in the keeper's own copy of the memory.
 */
void keeper_start(struct keeper *k, void (*clear)(const void *userdata), const void *userdata);
void keeper_dismiss(struct keeper *k);

/* The end of each log in @folder, as TAP comments on standard error. */
void site_print_logs(const char *folder);
void site_remove_folder(const char *folder);
int site_drop_database(const char *server_url, const char *name);
