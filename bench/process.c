/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t process_cpu_us(pid_t pid)
{
    char path[64], text[1024];
    uint64_t user, system, children_user, children_system;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = 0;
    const char *after_name = strrchr(text, ')');
    if (!after_name ||
        sscanf(after_name,
               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
               &user, &system, &children_user, &children_system) != 4)
        return 0;
    return (int64_t)(user + system + children_user + children_system) * 1000000 / sysconf(_SC_CLK_TCK);
}

void process_each_child(pid_t pid, process_fn fn, void *userdata)
{
    char path[96];
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%d", &child) == 1) {
        fn(child, userdata);
        process_each_child(child, fn, userdata);
    }
    if (file)
        fclose(file);
}

void process_each_thread(pid_t pid, process_fn fn, void *userdata)
{
    char path[64];
    struct dirent **entries;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (atoi(entries[i]->d_name) > 0)
            fn(atoi(entries[i]->d_name), userdata);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

static void add_cpu(pid_t pid, void *userdata)
{
    *(int64_t *)userdata += process_cpu_us(pid);
}

int64_t process_children_cpu_us(pid_t pid)
{
    int64_t sum = 0;
    process_each_child(pid, add_cpu, &sum);
    return sum;
}

static void add_thread_ns(pid_t thread, void *userdata)
{
    char path[64];
    int64_t ns;
    snprintf(path, sizeof(path), "/proc/%d/schedstat", thread);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%" SCNd64, &ns) == 1)
        *(int64_t *)userdata += ns;
    if (file)
        fclose(file);
}

int64_t process_cpu_exact_us(pid_t pid)
{
    int64_t sum_ns = 0;
    process_each_thread(pid, add_thread_ns, &sum_ns);
    return sum_ns / 1000;
}

/* The sum of the lines "NAME: … kB". */
static int64_t sum_kib(pid_t pid, const char *file_name, const char *name)
{
    char path[64], line[256], format[32];
    int64_t kib, sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file_name);
    snprintf(format, sizeof(format), "%s:", name);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, format, strlen(format)) == 0 &&
            sscanf(line + strlen(format), "%" SCNd64, &kib) == 1)
            sum += kib;
    if (file)
        fclose(file);
    return sum;
}

int64_t process_resident_kib(pid_t pid)
{
    return sum_kib(pid, "status", "VmRSS");
}

int64_t process_peak_kib(pid_t pid)
{
    return sum_kib(pid, "status", "VmHWM");
}

int64_t process_private_kib(pid_t pid)
{
    return sum_kib(pid, "smaps_rollup", "Private_Clean") + sum_kib(pid, "smaps_rollup", "Private_Dirty");
}

void process_reset_peak(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
    FILE *file = fopen(path, "we");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

pid_t process_from_file(const char *path)
{
    int pid = 0;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return pid;
}
