/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Parts of ZIP, as PKWARE's APPNOTE.TXT 6.3 has them (sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16). */
#define END_SIGNATURE 0x06054b50u
#define END_SIZE 22
#define ENTRY_SIGNATURE 0x02014b50u
#define ENTRY_SIZE 46
#define LOCAL_SIZE 30
#define DIRECTORY_MAX (1u << 24)
#define ZIP64 0xffffffffu

#define SHEETS "xl/worksheets/sheet"
#define SHEET_END "</worksheet>"
#define CHUNK 65536

struct part_reader {
    z_stream stream;
    unsigned char in[CHUNK];
    char out[CHUNK + 16];
    size_t kept; /* bytes of the last chunk in front of this one, for what is cut in two */
    uint64_t n_rows;
    bool ends;
};

static uint32_t get(const unsigned char *at, int size)
{
    uint32_t value = 0;
    while (size-- > 0)
        value = value << 8 | at[size];
    return value;
}

/* Looks at @size new bytes behind the kept ones. */
static void look(struct part_reader *reader, size_t size)
{
    static const char row[] = "<row ";
    char *end = reader->out + reader->kept + size, *at = reader->out;
    while ((at = memmem(at, (size_t)(end - at), row, sizeof(row) - 1))) {
        reader->n_rows++;
        at += sizeof(row) - 1;
    }
    /* A "<row " that is cut in two is found with the next chunk; what is kept is too short to be counted twice. */
    size_t total = reader->kept + size, keep = total < sizeof(row) - 2 ? total : sizeof(row) - 2;
    memmove(reader->out, end - keep, keep);
    reader->kept = keep;
}

/* Raw deflate from @offset. Return: whether it goes to its end, which is @end. */
static bool read_part(int fd, uint64_t offset, struct part_reader *reader, const char *end)
{
    char tail[sizeof(SHEET_END)] = { 0 }; /* with a line end, maybe */
    size_t end_size = strlen(end);
    int r = Z_OK;
    reader->kept = 0;
    reader->stream = (z_stream){ 0 };
    if (inflateInit2(&reader->stream, -MAX_WBITS) != Z_OK)
        return false;
    while (r == Z_OK) {
        if (reader->stream.avail_in == 0) {
            ssize_t n = pread(fd, reader->in, CHUNK, (off_t)offset);
            if (n <= 0)
                break;
            offset += (uint64_t)n;
            reader->stream.next_in = reader->in;
            reader->stream.avail_in = (uInt)n;
        }
        reader->stream.next_out = (unsigned char *)reader->out + reader->kept;
        reader->stream.avail_out = CHUNK;
        r = inflate(&reader->stream, Z_NO_FLUSH);
        size_t size = CHUNK - reader->stream.avail_out, fresh = size < sizeof(tail) ? size : sizeof(tail);
        memmove(tail, tail + fresh, sizeof(tail) - fresh);
        memcpy(tail + sizeof(tail) - fresh, reader->out + reader->kept + size - fresh, fresh);
        look(reader, size);
    }
    inflateEnd(&reader->stream);
    const char *at = tail + sizeof(tail) - end_size - (tail[sizeof(tail) - 1] == '\n');
    return r == Z_STREAM_END && memcmp(at, end, end_size) == 0;
}

/* Return: offset of the entry's data; 0. */
static uint64_t find_data(int fd, uint64_t local)
{
    unsigned char head[LOCAL_SIZE];
    if (pread(fd, head, sizeof(head), (off_t)local) != sizeof(head))
        return 0;
    return local + LOCAL_SIZE + get(head + 26, 2) + get(head + 28, 2);
}

/* A large file's local offset stands in the extra field 0x0001, behind those sizes that are large, too. */
static uint64_t offset_of(const unsigned char *entry)
{
    uint32_t offset = get(entry + 42, 4);
    if (offset != ZIP64)
        return offset;
    const unsigned char *extra = entry + ENTRY_SIZE + get(entry + 28, 2);
    uint32_t skip = (get(entry + 20, 4) == ZIP64 ? 8u : 0u) + (get(entry + 24, 4) == ZIP64 ? 8u : 0u);
    if (get(entry + 30, 2) < 12 + skip || get(extra, 2) != 1)
        return UINT64_MAX;
    return get(extra + 4 + skip, 4) | (uint64_t)get(extra + 8 + skip, 4) << 32;
}

static const char *check_entry(int fd, const unsigned char *entry, struct part_reader *reader,
                               unsigned *n_sheets)
{
    size_t name_size = get(entry + 28, 2);
    const unsigned char *name = entry + ENTRY_SIZE;
    bool is_sheet = name_size > sizeof(SHEETS) - 1 && memcmp(name, SHEETS, sizeof(SHEETS) - 1) == 0;
    uint64_t data = find_data(fd, offset_of(entry)), n_rows = reader->n_rows;
    *n_sheets += is_sheet;
    if (data == 0 || !read_part(fd, data, reader, is_sheet ? SHEET_END : ">"))
        return is_sheet ? "a sheet is cut off" : "a part of it is cut off";
    if (!is_sheet)
        reader->n_rows = n_rows;
    return NULL;
}

static const char *check_directory(int fd, const unsigned char *directory, size_t size, unsigned n_sheets,
                                   uint64_t n_rows)
{
    struct part_reader *reader = calloc(1, sizeof(*reader));
    const char *wrong = reader ? NULL : "there is no memory to read it back";
    unsigned found = 0;
    for (size_t at = 0, next; !wrong && at + ENTRY_SIZE <= size; at = next) {
        const unsigned char *entry = directory + at;
        next = at + ENTRY_SIZE + get(entry + 28, 2) + get(entry + 30, 2) + get(entry + 32, 2);
        if (get(entry, 4) != ENTRY_SIGNATURE || next > size)
            wrong = "its list of parts is damaged";
        else
            wrong = check_entry(fd, entry, reader, &found);
    }
    if (!wrong && (found != n_sheets || reader->n_rows != n_rows))
        wrong = "rows are missing";
    free(reader);
    return wrong;
}

const char *xlsx_check(int fd, unsigned n_sheets, uint64_t n_rows)
{
    unsigned char end[END_SIZE];
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size < END_SIZE ||
        pread(fd, end, sizeof(end), st.st_size - END_SIZE) != END_SIZE || get(end, 4) != END_SIGNATURE)
        return "it has no end";
    uint32_t size = get(end + 12, 4), offset = get(end + 16, 4);
    /* Beyond 4 GiB the directory lies right before the two records that say so. */
    uint64_t from = offset != ZIP64 ? offset : (uint64_t)st.st_size - END_SIZE - 20 - 56 - size;
    unsigned char *directory = size <= DIRECTORY_MAX ? malloc(size + 1) : NULL;
    const char *wrong = "its list of parts is damaged";
    if (directory && pread(fd, directory, size, (off_t)from) == (ssize_t)size)
        wrong = check_directory(fd, directory, size, n_sheets, n_rows);
    free(directory);
    return wrong;
}
