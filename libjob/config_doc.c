/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints docs/configuration.md from the table of options; `--text` prints it without Markdown; `--compare FILE` says
 * whether FILE is what would be printed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "libjob/config.h"

static const char intro[] =
    "<!-- Written by build/libjob/config_doc from libjob/config_table.c. Do not edit. -->\n"
    "# Configuration\n"
    "\n"
    "The programs read one [libconfig](https://hyperrealm.github.io/libconfig/) file: the one that `--config`\n"
    "names, else `$JOB_CONFIG`, else `/etc/libjob/libjob.conf`, which may be absent: every option has a\n"
    "default. An example is [libjob.conf.example](libjob.conf.example). `JOB_KAFKA` and `JOB_DATABASE_URL` in\n"
    "the environment, when not empty, replace `kafka.brokers` and `database.url`.\n"
    "\n"
    "- A value that is wrong ends the program with exit status 2 and one line that names file, line, key, what\n"
    "  was expected and what was found. So does a key that does not exist; the line then names the nearest one.\n"
    "  `--check` reads the file and ends.\n"
    "- Durations are strings with units (`us ms s m h d w`): `\"250ms\"`, `\"1m30s\"`.\n"
    "- An option with a `_file` variant takes its value from that file, one newline at the end removed. A\n"
    "  relative name is looked for in `$CREDENTIALS_DIRECTORY`, then beside the configuration file. A file that\n"
    "  everyone may read or write is refused.\n"
    "- `@include \"name\"` at the start of a line inserts a file that lies beside the configuration file.\n"
    "- SIGHUP reads the file again. A file that is wrong, or a handler in it that cannot be loaded, is named in the\n"
    "  log, and the old configuration stays. In `jobworkerd`, options with \"yes\" under *reload* change, no job is\n"
    "  interrupted, and those that run end by what they began with; of the others the log names those that differ\n"
    "  and need a restart. Every reload replaces the executors, so it also reads modules anew: replace their files by\n"
    "  renaming (`install`, `mv`). In `jobbrokerd` every option changes.\n";

/* Return: the exit status. */
static int compare(const char *path, const struct buf *expected)
{
    _cleanup_free_ char *found = malloc(expected->size + 1);
    FILE *f = fopen(path, "re");
    bool same = found && f && fread(found, 1, expected->size + 1, f) == expected->size &&
                memcmp(found, expected->data, expected->size) == 0;
    if (f)
        fclose(f);
    if (!same)
        fprintf(stderr, "%s is not what the table of options says; write the output of config_doc to it\n",
                path);
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    _cleanup_buf_ struct buf out = { 0 };
    if (argc == 2 && strcmp(argv[1], "--text") == 0) {
        option_print_text(&config_table, &out);
    } else {
        buf_append_string(&out, intro);
        option_print_markdown(&config_table, &out);
    }
    if (out.failed)
        return 1;
    if (argc == 3 && strcmp(argv[1], "--compare") == 0)
        return compare(argv[2], &out);
    return fwrite(out.data, 1, out.size, stdout) == out.size && fflush(stdout) == 0 ? 0 : 1;
}
