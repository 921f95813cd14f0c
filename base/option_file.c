/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path to libconfig's tree.
 *
 * The text is checked with our own eyes first (option_lexer.h says why), each @include'd file too, then libconfig
 * parses it. A file that is replaced between the two is the administrator's doing and harms nothing but the message.
 */
#include "base/option_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/option.h"
#include "base/option_lexer.h"
#include "base/utf8.h"

#define INCLUDE_DEPTH_MAX 8  /* libconfig's own limit is 10 */
#define NESTING_DEPTH_MAX 16 /* groups and lists in each other */

static int read_all(int fd, size_t max, struct buf *b, struct err *reterr)
{
    for (;;) {
        char *at = buf_reserve(b, 16384);
        if (!at)
            return -ENOMEM;
        ssize_t n = read(fd, at, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(reterr, OPTION_INVALID, "cannot be read: %s", strerror(errno));
        if (n == 0)
            return 0;
        b->size += (size_t)n;
        if (b->size > max)
            return err_set(reterr, OPTION_INVALID, "is larger than %zu KiB", max / 1024);
    }
}

int option_read_bytes(const char *path, size_t max, unsigned forbidden, char **ret_text, size_t *ret_size,
                      struct err *reterr)
{
    _cleanup_buf_ struct buf b = { 0 };
    struct stat st;

    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(reterr, errno == ENOENT || errno == ENOTDIR ? OPTION_MISSING : OPTION_INVALID,
                       "cannot be opened: %s", strerror(errno));
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return err_set(reterr, OPTION_INVALID, "is a directory");
    if (st.st_mode & forbidden)
        return err_set(reterr, OPTION_INVALID,
                       "may be accessed by everyone (mode %04o); \"chmod o= %s\" corrects it",
                       (unsigned)st.st_mode & 07777, path);
    int r = read_all(fd, max, &b, reterr);
    if (r != 0)
        return r;
    buf_append_char(&b, 0);
    if (b.failed)
        return -ENOMEM;
    *ret_size = b.size - 1;
    *ret_text = steal(b.data);
    return 0;
}

/* --- The first reading ---------------------------------------------------------------------------------------------- */

static int check_file(const struct option_file *file, const char *path, int depth, struct err *reterr);

static int check_bytes(const char *path, const char *text, size_t size, struct err *reterr)
{
    static const char *const marks[] = { "\xef\xbb\xbf", "\xfe\xff", "\xff\xfe" };
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (size >= strlen(marks[i]) && memcmp(text, marks[i], strlen(marks[i])) == 0)
            return err_set(reterr, OPTION_INVALID,
                           "%s:1: starts with a byte order mark; expected UTF-8 without one", path);
    int line = 1;
    for (const char *at = text, *end = text + size; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop + 1 : end;
        if (memchr(at, 0, (size_t)(stop - at)))
            return err_set(reterr, OPTION_INVALID, "%s:%d: holds a NUL byte; expected UTF-8 text", path,
                           line);
        if (!utf8_is_text(at, (size_t)(stop - at)))
            return err_set(reterr, OPTION_INVALID, "%s:%d: holds bytes that are not UTF-8", path, line);
        at = stop;
    }
    return 0;
}

/* True when libconfig 1.5 would store another number than the one that is written. */
static bool number_overflows(const char *token, size_t size)
{
    char text[32], *end;
    if (size >= sizeof(text))
        return !memchr(token, '.', size);
    memcpy(text, token, size);
    text[size] = 0;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    errno = 0;
    long long value = strtoll(text, &end, hex ? 16 : 10);
    if (errno == ERANGE)
        return *end != '.' && *end != 'e' && *end != 'E';
    return *end == 0 && (value > INT32_MAX || value < INT32_MIN);
}

static int check_include(const struct option_file *file, const char *path, const struct option_lexer *lexer,
                         int depth, struct err *reterr)
{
    char inner[PATH_MAX];
    if (depth >= INCLUDE_DEPTH_MAX)
        return err_set(reterr, OPTION_INVALID, "%s:%d: @include goes deeper than %d files", path,
                       lexer->token_line, INCLUDE_DEPTH_MAX);
    snprintf(inner, sizeof(inner), "%s/%.*s", file->directory, (int)lexer->token_size, lexer->token);
    int r = check_file(file, inner, depth + 1, reterr);
    if (r == OPTION_MISSING)
        return err_set(reterr, OPTION_INVALID, "%s:%d: @include: there is no file %s", path,
                       lexer->token_line, inner);
    return r;
}

static int check_token(const char *path, const struct option_lexer *lexer, enum option_token kind, int *depth,
                       struct err *reterr)
{
    if (kind == OPTION_TOKEN_OPEN_STRING)
        return err_set(reterr, OPTION_INVALID, "%s:%d: the string that starts here never ends", path,
                       lexer->token_line);
    if (kind == OPTION_TOKEN_OPEN_COMMENT)
        return err_set(reterr, OPTION_INVALID, "%s:%d: the comment that starts here never ends", path,
                       lexer->token_line);
    if (kind == OPTION_TOKEN_NUMBER && number_overflows(lexer->token, lexer->token_size))
        return err_set(reterr, OPTION_INVALID, "%s:%d: the number %.*s is too large", path, lexer->token_line,
                       (int)(lexer->token_size > 40 ? 40 : lexer->token_size), lexer->token);
    if (kind == OPTION_TOKEN_SIGN && lexer->token_size == 1) {
        if (strchr("({[", *lexer->token) && ++*depth > NESTING_DEPTH_MAX)
            return err_set(reterr, OPTION_INVALID, "%s:%d: nested deeper than %d levels", path,
                           lexer->token_line, NESTING_DEPTH_MAX);
        if (strchr(")}]", *lexer->token))
            --*depth;
    }
    return 0;
}

static int check_text(const struct option_file *file, const char *path, const char *text, size_t size,
                      int depth, struct err *reterr)
{
    struct option_lexer lexer;
    enum option_token kind;
    int nesting = 0;
    int r = check_bytes(path, text, size, reterr);

    option_lexer_init(&lexer, text, size);
    while (r == 0 && (kind = option_lexer_next(&lexer)) != OPTION_TOKEN_END) {
        r = check_token(path, &lexer, kind, &nesting, reterr);
        if (r == 0 && kind == OPTION_TOKEN_INCLUDE)
            r = check_include(file, path, &lexer, depth, reterr);
    }
    return r;
}

static int check_file(const struct option_file *file, const char *path, int depth, struct err *reterr)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = option_read_bytes(path, OPTION_FILE_MAX, 0, &text, &size, reterr);
    if (r > 0)
        return err_prefix(reterr, r, "%s", path);
    return r < 0 ? r : check_text(file, path, text, size, depth, reterr);
}

/* --- libconfig ------------------------------------------------------------------------------------------------------ */

/* The only name on @line that a value follows, into @name; false when there are several. */
static bool name_on_line(const char *text, size_t size, int line, char *name, size_t name_size)
{
    struct option_lexer lexer;
    const char *last = NULL;
    size_t last_size = 0;
    int found = 0;

    option_lexer_init(&lexer, text, size);
    for (enum option_token kind;
         lexer.line <= line && (kind = option_lexer_next(&lexer)) != OPTION_TOKEN_END;) {
        bool assigned = kind == OPTION_TOKEN_SIGN && lexer.token_size == 1 && strchr("=:", *lexer.token);
        if (assigned && lexer.token_line == line && last && ++found == 1)
            snprintf(name, name_size, "%.*s", (int)last_size, last);
        last = kind == OPTION_TOKEN_NAME ? lexer.token : NULL;
        last_size = lexer.token_size;
    }
    return found == 1;
}

static int explain_parse_error(const struct option_file *file, const char *text, size_t size,
                               struct err *reterr)
{
    const char *inner = config_error_file(&file->tree);
    const char *what = config_error_text(&file->tree);
    int line = config_error_line(&file->tree);
    char name[64];

    if (inner)
        return err_set(reterr, OPTION_INVALID, "%s/%s:%d: %s", file->directory, inner, line, what);
    if (strcmp(what, "duplicate setting name") == 0 && name_on_line(text, size, line, name, sizeof(name)))
        return err_set(reterr, OPTION_INVALID, "%s:%d: %s: is set twice", file->path, line, name);
    return err_set(reterr, OPTION_INVALID, "%s:%d: %s", file->path, line, what);
}

struct option_file *option_file_free(struct option_file *file)
{
    if (!file)
        return NULL;
    config_destroy(&file->tree);
    free(file->path);
    free(file->directory);
    free(file);
    return NULL;
}
DEFINE_CLEANUP(struct option_file *, option_file_free)

static struct option_file *file_new(const char *path)
{
    struct option_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    config_init(&file->tree);
    const char *slash = strrchr(path, '/');
    file->path = strdup(path);
    file->directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!file->path || !file->directory)
        return option_file_free(file);
    config_set_include_dir(&file->tree, file->directory);
    return file;
}

int option_file_read_text(struct option_file **ret, const char *name, const char *text, size_t size,
                          struct err *reterr)
{
    _cleanup_(option_file_free_cleanup) struct option_file *file = file_new(name);
    if (!file)
        return -ENOMEM;
    int r = check_text(file, name, text, size, 0, reterr);
    if (r != 0)
        return r;
    if (!config_read_string(&file->tree, text))
        return explain_parse_error(file, text, size, reterr);
    *ret = steal(file);
    return 0;
}

int option_file_read(struct option_file **ret, const char *path, struct err *reterr)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = option_read_bytes(path, OPTION_FILE_MAX, 0, &text, &size, reterr);
    if (r > 0)
        return err_prefix(reterr, r, "%s", path);
    return r < 0 ? r : option_file_read_text(ret, path, text, size, reterr);
}

const char *option_file_directory(const struct option_file *file)
{
    return file->directory;
}

char *option_place(const struct option_file *file, const config_setting_t *setting, char *text, size_t size)
{
    const char *inner = config_setting_source_file(setting);
    int line = (int)config_setting_source_line(setting);
    if (inner)
        snprintf(text, size, "%s/%s:%d", file->directory, inner, line);
    else
        snprintf(text, size, "%s:%d", file->path, line ? line : 1);
    return text;
}
