/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/suite.h"

START_TEST(ids_of_one_process_only_grow)
{
    struct uuid last, id;
    uuid_new(&last);
    for (int i = 0; i < 20000; i++, last = id) {
        uuid_new(&id);
        ck_assert_int_lt(memcmp(&last, &id, sizeof(id)), 0);
    }
}
END_TEST

START_TEST(id_carries_the_time_version_and_variant)
{
    struct uuid id;
    int64_t before = clock_wall_us() / 1000;
    uuid_new(&id);
    ck_assert_int_ge(uuid_time_ms(&id), before);
    ck_assert_int_le(uuid_time_ms(&id), clock_wall_us() / 1000 + 1);
    ck_assert_int_eq(id.bytes[6] >> 4, 7);
    ck_assert_int_eq(id.bytes[8] >> 6, 2);
}
END_TEST

START_TEST(text_reads_back_in_either_case)
{
    struct uuid id, back;
    char text[UUID_TEXT_SIZE];
    uuid_new(&id);
    uuid_format(&id, text);
    ck_assert_int_eq(uuid_parse(text, 36, &back), 0);
    ck_assert(uuid_equal(&id, &back));
    for (char *c = text; *c; c++)
        if (*c >= 'a')
            *c = (char)(*c - 32);
    ck_assert_int_eq(uuid_parse(text, 36, &back), 0);
    ck_assert(uuid_equal(&id, &back));
}
END_TEST

START_TEST(broken_text_is_refused)
{
    static const char *const broken[] = {
        "",
        "0199c41f",
        "0199c41f-0000-7000-8000-00000000000",
        "0199c41f-0000-7000-8000-0000000000000",
        "0199c41f+0000-7000-8000-000000000000",
        "0199c41g-0000-7000-8000-000000000000",
        "0199c41f-0000-7000-80000-00000000000",
        "{199c41f-0000-7000-8000-000000000000",
    };
    struct uuid id;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        ck_assert_int_eq(uuid_parse(broken[i], strlen(broken[i]), &id), 1);
}
END_TEST

START_TEST(forked_child_makes_other_ids)
{
    struct uuid warm, mine, theirs;
    int fds[2];
    uuid_new(&warm);
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        uuid_new(&theirs);
        _exit(write(fds[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
    }
    uuid_new(&mine);
    ck_assert_int_eq(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
    waitpid(pid, NULL, 0);
    ck_assert_int_ne(memcmp(mine.bytes + 8, theirs.bytes + 8, 8), 0);
}
END_TEST

START_TEST(hashed_id_is_the_same_for_everyone)
{
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    uuid_from_hash(0x0199c41f0123, 0x1122334455667788, 0x99aabbccddeeff00, &id);
    ck_assert_str_eq(uuid_format(&id, text), "0199c41f-0123-7788-99aa-bbccddeeff00");
}
END_TEST

SUITE_MAIN("uuid", ids_of_one_process_only_grow, id_carries_the_time_version_and_variant,
           text_reads_back_in_either_case, broken_text_is_refused, forked_child_makes_other_ids,
           hashed_id_is_the_same_for_everyone)
