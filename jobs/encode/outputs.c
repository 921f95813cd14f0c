/* SPDX-License-Identifier: Apache-2.0 */
#include "outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "place.h"
#include "preset.h"
#include "probe.h"
#include "request.h"

#define READ_SIZE 65536
#define TOLERANCE_US 500000 /* and 2 per cent */
#define SEGMENTS_MAX 1000000
#define PATH_TEXT_MAX 1400

struct check {
    struct job_context *ctx;
    const struct outputs_task *task;
    json_t *list;
};

/* Size and digest of one file, or of several as one. */
struct measure {
    struct digest digest;
    int64_t size;
    char text[DIGEST_TEXT_SIZE];
};

/* --- Measuring ---------------------------------------------------------------------------------------------- */

static int measure_init(struct job_context *ctx, struct measure *measure)
{
    *measure = (struct measure){ 0 };
    return digest_init(&measure->digest) ? JOB_DONE : job_retry(ctx, "no memory for a checksum");
}

static int add_bytes(struct job_context *ctx, int fd, struct measure *measure)
{
    static unsigned char bytes[READ_SIZE];
    for (;;) {
        ssize_t size = read(fd, bytes, sizeof(bytes));
        if (size < 0 && errno != EINTR)
            return job_retry(ctx, "the result cannot be read: %s", strerror(errno));
        if (size == 0)
            return JOB_DONE;
        if (job_context_is_cancelled(ctx))
            return job_retry(ctx, "was asked to stop while the result was checked");
        if (size > 0) {
            digest_add(&measure->digest, bytes, (size_t)size);
            measure->size += size;
        }
    }
}

static int measure_add(const struct check *check, const char *path, struct measure *measure)
{
    int fd = openat(check->task->place->folder, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return job_retry(check->ctx, "the result cannot be read: %s", strerror(errno));
    int verdict = add_bytes(check->ctx, fd, measure);
    close(fd);
    return verdict;
}

static int measure_file(const struct check *check, const char *path, struct measure *measure)
{
    int verdict = measure_init(check->ctx, measure);
    if (verdict == JOB_DONE)
        verdict = measure_add(check, path, measure);
    if (!digest_end(&measure->digest, measure->text) && verdict == JOB_DONE)
        verdict = job_retry(check->ctx, "no memory for a checksum");
    return verdict;
}

/* --- Comparing ----------------------------------------------------------------------------------------------------- */

int64_t outputs_expected_us(const struct request *request, const struct probe *source)
{
    int64_t video_us = request->preset->video ? source->video_us : 0, audio_us = source->audio_us;
    if (request->preset->kind == PRESET_AUDIO)
        return audio_us ? audio_us : source->duration_us;
    if (!video_us || (source->audio >= 0 && !audio_us))
        return source->duration_us;
    return video_us > audio_us ? video_us : audio_us;
}

int64_t outputs_expected_thumbnails(const struct request *request, const struct probe *source)
{
    double interval_s = preset_interval_s(request, source), last_s = (double)source->duration_us / 1e6;
    if (request->count)
        return request->count;
    last_s -= source->frames_s > 0 ? 1 / source->frames_s : 0;
    return last_s > 0 ? (int64_t)floor(last_s / interval_s) + 1 : 1;
}

static int check_codec(const struct check *check, const char *wanted, const char *found, const char *kind)
{
    return strcmp(wanted, found) == 0 ? JOB_DONE
                                      : job_fail(check->ctx, "the result has %s %s instead of %s", kind,
                                                 *found ? found : "none", wanted);
}

static int check_streams(const struct check *check, const struct probe *made, int width, int height)
{
    const struct preset *preset = check->task->request->preset;
    int verdict = JOB_DONE;
    if (preset->video)
        verdict = check_codec(check, preset->video, made->video_codec, "video");
    if (verdict == JOB_DONE && preset->audio && check->task->source->audio >= 0)
        verdict = check_codec(check, preset->audio, made->audio_codec, "sound");
    if (verdict == JOB_DONE && preset->video && (made->width != width || made->height != height))
        return job_fail(check->ctx, "the result has %dx%d pixels instead of %dx%d", made->width, made->height,
                        width, height);
    return verdict;
}

/* A disk that was full for a while may have cost some, without a word. */
static int check_pictures(const struct check *check, const struct probe *made)
{
    return !check->task->request->preset->video || made->pictures >= check->task->pictures
               ? JOB_DONE
               : job_fail(check->ctx, "the result has %lld pictures instead of %lld",
                          (long long)made->pictures, (long long)check->task->pictures);
}

static int check_duration(const struct check *check, int64_t made_us)
{
    int64_t wanted_us = outputs_expected_us(check->task->request, check->task->source);
    int64_t off_us = made_us > wanted_us ? made_us - wanted_us : wanted_us - made_us;
    if (made_us <= 0)
        return job_fail(check->ctx, "the result is empty");
    if (wanted_us && off_us > TOLERANCE_US + wanted_us / 50)
        return job_fail(check->ctx,
                        "the result lasts %.1f s and not %.1f s as the input says: that is damaged",
                        (double)made_us / 1e6, (double)wanted_us / 1e6);
    return JOB_DONE;
}

/* --- Describing -------------------------------------------------------------------------------------------------- */

static json_t *seconds(int64_t us)
{
    return json_real(round((double)us / 1e3) / 1e3);
}

/* Takes @output. */
static int add_output(struct check *check, json_t *output, const char *path, const struct measure *measure)
{
    json_object_set_new(output, "path", json_string(path));
    json_object_set_new(output, "size", json_integer(measure->size));
    json_object_set_new(output, "sha256", json_string(measure->text));
    return json_array_append_new(check->list, output) < 0 ? job_retry(check->ctx, "no memory for a result")
                                                          : JOB_DONE;
}

static json_t *describe(const struct check *check, const struct probe *made)
{
    const struct preset *preset = check->task->request->preset;
    json_t *output = json_object();
    json_object_set_new(output, "duration", seconds(made->duration_us));
    json_object_set_new(output, "codec", json_string(preset->video ? made->video_codec : made->audio_codec));
    if (preset->video) {
        json_object_set_new(output, "width", json_integer(made->width));
        json_object_set_new(output, "height", json_integer(made->height));
        if (made->audio >= 0)
            json_object_set_new(output, "audio_codec", json_string(made->audio_codec));
    }
    return output;
}

static int probe_made(const struct check *check, const char *path, const char *demuxers,
                      enum probe_count count, struct probe *ret)
{
    const struct probe_what what = {
        .file = -1, .folder = check->task->place->folder, .path = path, .demuxers = demuxers, .count = count
    };
    return probe_read(check->ctx, check->task->settings, &what, ret);
}

/* --- Each kind of preset --------------------------------------------------------------------------------------------- */

static int check_file(struct check *check)
{
    struct probe made;
    struct measure measure;
    int width = 0, height = 0,
        verdict = probe_made(check, PRESET_FILE, "mov,matroska,mp3,ogg", PROBE_COUNT_READ, &made);
    if (check->task->request->preset->video)
        preset_size(check->task->source, check->task->request->height, &width, &height);
    if (verdict == JOB_DONE)
        verdict = check_streams(check, &made, width, height);
    if (verdict == JOB_DONE)
        verdict = check_pictures(check, &made);
    if (verdict == JOB_DONE)
        verdict = check_duration(check, made.duration_us);
    if (verdict == JOB_DONE)
        verdict = measure_file(check, PRESET_FILE, &measure);
    return verdict == JOB_DONE
               ? add_output(check, describe(check, &made), check->task->request->output, &measure)
               : verdict;
}

static int add_thumbnail(struct check *check, const struct probe *made, int64_t number)
{
    char name[64], path[PATH_TEXT_MAX];
    struct measure measure;
    snprintf(name, sizeof(name), PRESET_FILE "/" PRESET_THUMBNAIL, (int)number);
    snprintf(path, sizeof(path), "%s/" PRESET_THUMBNAIL, check->task->request->output, (int)number);
    int verdict = measure_file(check, name, &measure);
    if (verdict != JOB_DONE)
        return verdict;
    json_t *output =
        json_pack("{s:f, s:s, s:i, s:i}", "at",
                  (double)(number - 1) * preset_interval_s(check->task->request, check->task->source),
                  "codec", made->video_codec, "width", made->width, "height", made->height);
    return add_output(check, output, path, &measure);
}

/* A video has no more pictures than frames, however many are asked for. */
static int check_number(const struct check *check, int64_t pictures)
{
    double interval_s = preset_interval_s(check->task->request, check->task->source);
    int64_t wanted = outputs_expected_thumbnails(check->task->request, check->task->source);
    bool slow = interval_s * check->task->source->frames_s < 1;
    if (pictures > REQUEST_THUMBNAILS_MAX)
        return job_fail(check->ctx, "every: makes more than %d thumbnails", REQUEST_THUMBNAILS_MAX);
    if (pictures < 1 || (check->task->source->duration_us && !slow && pictures < wanted - 1))
        return job_fail(check->ctx, "the result has %lld thumbnails instead of %lld: the input is damaged",
                        (long long)pictures, (long long)wanted);
    return JOB_DONE;
}

static int check_thumbnails(struct check *check)
{
    struct probe made;
    int width, height;
    preset_size(check->task->source, check->task->request->height, &width, &height);
    int verdict = probe_made(check, PRESET_FILE "/" PRESET_THUMBNAIL, "image2", PROBE_COUNT_DECODED, &made);
    if (verdict == JOB_DONE)
        verdict = check_streams(check, &made, width, height);
    if (verdict == JOB_DONE)
        verdict = check_pictures(check, &made);
    if (verdict == JOB_DONE)
        verdict = check_number(check, made.pictures);
    for (int64_t i = 1; verdict == JOB_DONE && i <= made.pictures; i++)
        verdict = add_thumbnail(check, &made, i);
    return verdict;
}

static bool has_segment(const struct check *check, const char *path)
{
    struct stat st;
    return fstatat(check->task->place->folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* The playlist and its segments, in their order. */
static int measure_step(struct check *check, int step, struct measure *measure, int *ret_segments)
{
    char path[64];
    int verdict = measure_init(check->ctx, measure);
    snprintf(path, sizeof(path), PRESET_FILE "/v%d/" PRESET_PLAYLIST, step);
    *ret_segments = 0;
    while (verdict == JOB_DONE && *ret_segments < SEGMENTS_MAX) {
        verdict = measure_add(check, path, measure);
        snprintf(path, sizeof(path), PRESET_FILE "/v%d/%05d.ts", step, *ret_segments);
        if (!has_segment(check, path))
            break;
        ++*ret_segments;
    }
    if (!digest_end(&measure->digest, measure->text) && verdict == JOB_DONE)
        verdict = job_retry(check->ctx, "no memory for a checksum");
    return verdict;
}

static int check_step(struct check *check, int step, const struct preset_rendition *wanted)
{
    struct probe made;
    struct measure measure;
    char path[PATH_TEXT_MAX];
    int segments = 0;
    snprintf(path, sizeof(path), PRESET_FILE "/v%d/" PRESET_PLAYLIST, step);
    int verdict = probe_made(check, path, "hls,mpegts", PROBE_COUNT_READ, &made);
    if (verdict == JOB_DONE)
        verdict = check_streams(check, &made, wanted->width, wanted->height);
    if (verdict == JOB_DONE)
        verdict = check_pictures(check, &made);
    if (verdict == JOB_DONE)
        verdict = check_duration(check, made.duration_us);
    if (verdict == JOB_DONE)
        verdict = measure_step(check, step, &measure, &segments);
    if (verdict != JOB_DONE)
        return verdict;
    json_t *output = describe(check, &made);
    json_object_set_new(output, "segments", json_integer(segments));
    snprintf(path, sizeof(path), "%s/v%d/" PRESET_PLAYLIST, check->task->request->output, step);
    return add_output(check, output, path, &measure);
}

static int check_ladder(struct check *check)
{
    struct preset_rendition steps[REQUEST_RENDITIONS_MAX];
    struct measure measure;
    char path[PATH_TEXT_MAX];
    int n = preset_ladder(check->task->request, check->task->source, steps);
    int verdict = measure_file(check, PRESET_FILE "/" PRESET_MASTER, &measure);
    snprintf(path, sizeof(path), "%s/" PRESET_MASTER, check->task->request->output);
    if (verdict == JOB_DONE)
        verdict = add_output(check, json_object(), path, &measure);
    for (int i = 0; i < n && verdict == JOB_DONE; i++)
        verdict = check_step(check, i, &steps[i]);
    return verdict;
}

int outputs_check(struct job_context *ctx, const struct outputs_task *task, json_t **ret)
{
    struct check check = { .ctx = ctx, .task = task, .list = json_array() };
    enum preset_kind kind = task->request->preset->kind;
    int verdict = kind == PRESET_THUMBNAILS ? check_thumbnails(&check)
                  : kind == PRESET_LADDER   ? check_ladder(&check)
                                            : check_file(&check);
    if (verdict == JOB_DONE)
        *ret = check.list;
    else
        json_decref(check.list);
    return verdict;
}
