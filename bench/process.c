/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/process.h"

#include <inttypes.h>
#include <stdio.h>
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

int64_t process_children_cpu_us(pid_t pid)
{
    char path[96];
    int64_t sum = 0;
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%d", &child) == 1)
        sum += process_cpu_us(child) + process_children_cpu_us(child);
    if (file)
        fclose(file);
    return sum;
}

static int64_t status_kib(pid_t pid, const char *name)
{
    char path[64], line[256], format[32];
    int64_t kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    snprintf(format, sizeof(format), "%s:", name);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, format, strlen(format)) == 0)
            sscanf(line + strlen(format), "%" SCNd64, &kib);
    if (file)
        fclose(file);
    return kib;
}

int64_t process_resident_kib(pid_t pid)
{
    return status_kib(pid, "VmRSS");
}

int64_t process_peak_kib(pid_t pid)
{
    return status_kib(pid, "VmHWM");
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
