/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/beneath.h"
#include "settings.h"

#define NURSERY ".encode"
#define MARK ".encode" /* in a folder that was made here */
#define DEPTH_MAX 4    /* of what is made here */
#define TRIES 16
#define FULL_BYTES 65536

/* --- Names beneath a folder ------------------------------------------------------------------------------------ */

static int open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int judge_input(struct job_context *ctx, int error)
{
    if (error == EXDEV || error == ELOOP)
        return job_fail(ctx, "input: leads out of ENCODE_INPUT");
    if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ENXIO || error == ENODEV)
        return job_fail(ctx, "input: %s", strerror(error));
    return job_retry(ctx, "input: %s", strerror(error));
}

int place_open_input(struct job_context *ctx, const struct settings *settings, const char *name, int *ret_fd)
{
    if (!settings->input)
        return job_retry(ctx, "ENCODE_INPUT: is not set; it names the folder of inputs");
    int folder = open_folder(settings->input);
    if (folder < 0)
        return job_retry(ctx, "ENCODE_INPUT: %s: %s", settings->input, strerror(errno));
    int fd = beneath_open(folder, name, O_RDONLY, 0), error = errno;
    close(folder);
    if (fd < 0)
        return judge_input(ctx, error);
    *ret_fd = fd;
    return JOB_DONE;
}

int place_check_input(struct job_context *ctx, const struct settings *settings, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return job_retry(ctx, "input: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return job_fail(ctx, "input: is no regular file");
    if (st.st_size == 0)
        return job_fail(ctx, "input: is empty");
    return st.st_size / (1024 * 1024) >= settings->max_input_mib &&
                   st.st_size > settings->max_input_mib * 1024 * 1024
               ? job_fail(ctx, "input: is larger than ENCODE_MAX_INPUT_MIB, %lld",
                          (long long)settings->max_input_mib)
               : JOB_DONE;
}

/* --- Whole folders ----------------------------------------------------------------------------------------------- */

/* Calls @each for every entry of @folder. Return: 0; the first negative value; negative errno. */
static int walk(int folder, int (*each)(int folder, const char *name, int depth, int64_t *sum), int depth,
                int64_t *sum)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        r = -errno;
        if (copy >= 0)
            close(copy);
        return r;
    }
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled */
    while (r == 0 && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = each(folder, entry->d_name, depth, sum);
    closedir(dir);
    return r;
}

static int walk_into(int folder, const char *name,
                     int (*each)(int folder, const char *name, int depth, int64_t *sum), int depth,
                     int64_t *sum)
{
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return -errno;
    int r = depth < DEPTH_MAX ? walk(inner, each, depth + 1, sum) : -ELOOP;
    close(inner);
    return r;
}

static int remove_entry(int folder, const char *name, int depth, int64_t *sum)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    int r = walk_into(folder, name, remove_entry, depth, sum);
    return r < 0 ? r : unlinkat(folder, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int add_size(int folder, const char *name, int depth, int64_t *sum)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(st.st_mode))
        return walk_into(folder, name, add_size, depth, sum);
    *sum += st.st_size;
    return 0;
}

static int sync_entry(int folder, const char *name, int depth, int64_t *sum)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    int r = S_ISDIR(st.st_mode) ? walk_into(folder, name, sync_entry, depth, sum) : 0;
    int fd = r < 0 ? -1 : openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0 && (fd < 0 || fsync(fd) < 0))
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

bool place_is_full(const struct place *place)
{
    struct statvfs fs;
    return place->folder >= 0 && fstatvfs(place->folder, &fs) == 0 && fs.f_blocks > 0 &&
           fs.f_bavail * fs.f_frsize < FULL_BYTES;
}

int64_t place_size_bytes(const struct place *place)
{
    int64_t sum = 0;
    walk(place->folder, add_size, 0, &sum);
    return sum;
}

/* --- Our own folder --------------------------------------------------------------------------------------------------- */

/* Locks @name, if nobody has it and it is still there. Return: its descriptor; -1. */
static int lock_folder(int nursery, const char *name)
{
    struct stat mine, there;
    int fd = openat(nursery, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
        fstatat(nursery, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino)
        return fd;
    close(fd);
    return -1;
}

/* What died before it could tidy up has no lock any more. */
static int sweep(int nursery, const char *name, int depth, int64_t *sum)
{
    int fd = lock_folder(nursery, name);
    if (fd >= 0) {
        remove_entry(nursery, name, depth, sum);
        close(fd);
    }
    return 0;
}

/* Between its making and its locking another process may sweep it away. */
static int make_folder(struct place *place)
{
    for (int i = 0; i < TRIES; i++) {
        if (mkdirat(place->nursery, place->name, 0700) < 0 && errno != EEXIST)
            return -errno;
        place->folder = lock_folder(place->nursery, place->name);
        if (place->folder >= 0)
            return 0;
    }
    return -EBUSY;
}

int place_open(struct job_context *ctx, const struct settings *settings, struct place *ret)
{
    *ret = (struct place){ .output = open_folder(settings->output), .nursery = -1, .folder = -1 };
    if (ret->output < 0)
        return job_retry(ctx, "ENCODE_OUTPUT: %s: %s", settings->output, strerror(errno));
    if (mkdirat(ret->output, NURSERY, 0700) < 0 && errno != EEXIST)
        return job_retry(ctx, "ENCODE_OUTPUT: %s: %s", settings->output, strerror(errno));
    ret->nursery = openat(ret->output, NURSERY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ret->nursery < 0)
        return job_retry(ctx, "ENCODE_OUTPUT: " NURSERY ": %s", strerror(errno));
    walk(ret->nursery, sweep, 0, &(int64_t){ 0 });
    snprintf(ret->name, sizeof(ret->name), "%s.%s", job_context_id(ctx), job_context_fence(ctx));
    int r = make_folder(ret);
    return r < 0 ? job_retry(ctx, "ENCODE_OUTPUT: " NURSERY ": %s", strerror(-r)) : JOB_DONE;
}

void place_done(struct place *place)
{
    if (place->folder >= 0) {
        remove_entry(place->nursery, place->name, 0, &(int64_t){ 0 });
        close(place->folder);
    }
    if (place->nursery >= 0)
        close(place->nursery);
    if (place->output >= 0)
        close(place->output);
    *place = (struct place){ .output = -1, .nursery = -1, .folder = -1 };
}

/* --- Publishing -------------------------------------------------------------------------------------------------------- */

/* Opens the folder that @path lies in, making what is missing. Return: descriptor; negative errno. */
static int open_parent(int output, const char *path, const char **ret_name)
{
    char part[PATH_MAX];
    int folder = openat(output, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (folder >= 0) {
        size_t size = strcspn(path, "/");
        *ret_name = path;
        if (!path[size])
            return folder;
        snprintf(part, sizeof(part), "%.*s", (int)size, path);
        bool made = mkdirat(folder, part, 0777) == 0 || errno == EEXIST;
        int inner = made ? beneath_open(folder, part, O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS) : -1;
        int error = errno;
        close(folder);
        errno = error;
        folder = inner;
        path += size + 1;
    }
    return -errno;
}

static bool is_regular_or_absent(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno == ENOENT : S_ISREG(st.st_mode);
}

static bool was_made_here(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool marked = fd >= 0 && faccessat(fd, MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (fd >= 0)
        close(fd);
    return marked;
}

static int publish_file(const struct place *place, const char *name, int parent, const char *target)
{
    if (!is_regular_or_absent(parent, target))
        return -EEXIST;
    return renameat(place->folder, name, parent, target) < 0 ? -errno : 0;
}

/* A folder that was there changes places with ours, and goes with the rest. */
static int publish_folder(const struct place *place, const char *name, int parent, const char *target)
{
    if (renameat2(place->folder, name, parent, target, RENAME_NOREPLACE) == 0)
        return 0;
    int error = errno;
    if (error == EEXIST && was_made_here(parent, target))
        return renameat2(place->folder, name, parent, target, RENAME_EXCHANGE) < 0 ? -errno : 0;
    return -error;
}

static int mark_folder(const struct place *place, const char *name)
{
    int folder = openat(place->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int mark = folder < 0 ? -1 : openat(folder, MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    int r = mark < 0 ? -errno : 0;
    if (mark >= 0)
        close(mark);
    if (folder >= 0)
        close(folder);
    return r;
}

static bool is_folder(const struct place *place, const char *name)
{
    struct stat st;
    return fstatat(place->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int publish_to(const struct place *place, const char *name, int parent, const char *target)
{
    bool folder = is_folder(place, name);
    int r = folder ? mark_folder(place, name) : 0;
    if (r == 0)
        r = sync_entry(place->folder, name, 0, &(int64_t){ 0 });
    if (r == 0)
        r = folder ? publish_folder(place, name, parent, target) : publish_file(place, name, parent, target);
    return r < 0 ? r : fsync(parent) < 0 ? -errno : 0;
}

int place_publish(struct job_context *ctx, const struct place *place, const char *name, const char *path)
{
    const char *target;
    int parent = open_parent(place->output, path, &target);
    int r = parent < 0 ? parent : publish_to(place, name, parent, target);
    if (parent >= 0)
        close(parent);
    if (r == 0)
        return JOB_DONE;
    if (r == -EEXIST)
        return job_fail(ctx, "output: something else is there already");
    if (r == -ELOOP || r == -EXDEV || r == -ENOTDIR)
        return job_fail(ctx,
                        "output: a folder of its path is a symbolic link, a file, or on another file system");
    return job_retry(ctx, "output: %s", strerror(-r));
}
