/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

static const struct query_type query_types[] = {
    { "text", 25, 1009 },       { "varchar", 1043, 1015 },   { "integer", 23, 1007 },
    { "int", 23, 1007 },        { "bigint", 20, 1016 },      { "smallint", 21, 1005 },
    { "numeric", 1700, 1231 },  { "real", 700, 1021 },       { "float8", 701, 1022 },
    { "boolean", 16, 1000 },    { "bool", 16, 1000 },        { "date", 1082, 1182 },
    { "time", 1083, 1183 },     { "timestamp", 1114, 1115 }, { "timestamptz", 1184, 1185 },
    { "interval", 1186, 1187 }, { "uuid", 2950, 2951 },      { "json", 114, 199 },
    { "jsonb", 3802, 3807 },
};

/* --- The file ------------------------------------------------------------------------------------------ */

/* The next word of a line, cut off; NULL when there is none. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t\r");
    if (!*word)
        return NULL;
    *line = word + strcspn(word, " \t\r");
    if (**line)
        *(*line)++ = 0;
    return word;
}

static void trim_end(char *line)
{
    size_t size = strlen(line);
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' || line[size - 1] == '\r'))
        line[--size] = 0;
}

static const char *take_name(char **line, char ret[static QUERY_NAME_SIZE], const char *wrong)
{
    const char *word = next_word(line);
    if (!word || strlen(word) >= QUERY_NAME_SIZE || !text_is_line(word))
        return wrong;
    snprintf(ret, QUERY_NAME_SIZE, "%s", word);
    return NULL;
}

static const char *take_type(char **line, struct query_parameter *parameter)
{
    char *word = next_word(line);
    size_t size = word ? strlen(word) : 0;
    parameter->is_list = size > 2 && strcmp(word + size - 2, "[]") == 0;
    if (parameter->is_list)
        word[size - 2] = 0;
    for (size_t i = 0; word && i < sizeof(query_types) / sizeof(query_types[0]); i++)
        if (strcmp(word, query_types[i].name) == 0)
            parameter->type = &query_types[i];
    return parameter->type ? NULL : "expected a type that reports know behind the parameter's name";
}

static const char *take_preset(char *line, struct query_parameter *parameter)
{
    line += strspn(line, " \t\r");
    if (!*line)
        return NULL;
    if (*line == '=')
        parameter->preset = json_loads(line + 1, JSON_DECODE_ANY, NULL);
    return parameter->preset ? NULL : "expected nothing, or = and a default in JSON, behind the type";
}

static const char *parse_param(char *line, struct query *query)
{
    if (query->n_parameters == QUERY_PARAMETERS_MAX)
        return "there are more than 32 parameters";
    struct query_parameter *parameter = &query->parameters[query->n_parameters++];
    const char *wrong = take_name(&line, parameter->name, "expected a name behind param:");
    for (size_t i = 0; !wrong && i + 1 < query->n_parameters; i++)
        if (strcmp(query->parameters[i].name, parameter->name) == 0)
            wrong = "there is another parameter of that name";
    if (!wrong)
        wrong = take_type(&line, parameter);
    return wrong ? wrong : take_preset(line, parameter);
}

static const char *parse_title(char *line, struct query *query)
{
    line += strspn(line, " \t");
    trim_end(line);
    if (!*line || strlen(line) >= sizeof(query->title) || !text_is_line(line))
        return "expected one line of at most 200 bytes behind title:";
    snprintf(query->title, sizeof(query->title), "%s", line);
    return NULL;
}

static const char *parse_chart(char *line, struct query *query)
{
    struct query_chart *chart = &query->chart;
    const char *kind = next_word(&line);
    if (chart->kind != CHART_NONE)
        return "there is another chart";
    if (!kind || (strcmp(kind, "bar") != 0 && strcmp(kind, "line") != 0))
        return "expected bar or line behind chart:";
    const char *wrong =
        take_name(&line, chart->label, "expected the column of labels behind the chart's kind");
    for (trim_end(line); !wrong && *line;) {
        if (chart->n_series == QUERY_SERIES_MAX)
            return "the chart has more than 6 columns of values";
        wrong = take_name(&line, chart->series[chart->n_series++], "a column's name is too long");
    }
    if (!wrong && chart->n_series == 0)
        return "expected a column of values behind the chart's labels";
    chart->kind = strcmp(kind, "bar") == 0 ? CHART_BAR : CHART_LINE;
    return wrong;
}

/* A line behind "--". */
static const char *parse_comment(char *line, struct query *query)
{
    static const struct {
        const char *key;
        const char *(*parse)(char *line, struct query *query);
    } keys[] = { { "param:", parse_param }, { "title:", parse_title }, { "chart:", parse_chart } };
    line += strspn(line, " \t");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strncmp(line, keys[i].key, strlen(keys[i].key)) == 0)
            return keys[i].parse(line + strlen(keys[i].key), query);
    return NULL;
}

/* The comments in front, up to the first line that is neither comment nor empty. */
static int parse_head(struct job_context *ctx, const char *name, char *head, struct query *query)
{
    int number = 0;
    for (char *line = head, *end; *line; line = end) {
        number++;
        end = strchrnul(line, '\n');
        if (*end)
            *end++ = 0;
        line += strspn(line, " \t\r");
        if (*line && strncmp(line, "--", 2) != 0)
            break;
        const char *wrong = *line ? parse_comment(line + 2, query) : NULL;
        if (wrong)
            return job_fail(ctx, "%s.sql:%d: %s", name, number, wrong);
    }
    return JOB_DONE;
}

static int parse_text(struct job_context *ctx, const char *name, struct query *query)
{
    char *head = strdup(query->text);
    int verdict = head ? parse_head(ctx, name, head, query) : job_retry(ctx, "no memory for a query");
    free(head);
    return verdict;
}

int query_parse(struct job_context *ctx, const char *name, const char *text, struct query *ret)
{
    *ret = (struct query){ .text = strdup(text) };
    return ret->text ? parse_text(ctx, name, ret) : job_retry(ctx, "no memory for a query");
}

static int read_text(struct job_context *ctx, const char *path, int fd, char **ret)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return job_retry(ctx, "%s: is no regular file", path);
    char *text = malloc(QUERY_FILE_MAX + 1);
    ssize_t size = text ? read(fd, text, QUERY_FILE_MAX + 1) : -1;
    int verdict = !text      ? job_retry(ctx, "no memory for a query")
                  : size < 0 ? job_retry(ctx, "%s: %s", path, strerror(errno))
                  : size > QUERY_FILE_MAX || memchr(text, 0, (size_t)size)
                      ? job_fail(ctx, "%s: is longer than %d bytes, or no text", path, QUERY_FILE_MAX)
                      : JOB_DONE;
    if (verdict != JOB_DONE) {
        free(text);
        return verdict;
    }
    text[size] = 0;
    *ret = text;
    return JOB_DONE;
}

int query_read(struct job_context *ctx, const char *folder, const char *name, struct query *ret)
{
    char path[4096 + 80];
    *ret = (struct query){ 0 };
    snprintf(path, sizeof(path), "%s/%s.sql", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && access(folder, X_OK) == 0)
        return job_fail(ctx, "query: there is no \"%s\"", name);
    if (fd < 0)
        return job_retry(ctx, "%s: %s", path, strerror(errno));
    int verdict = read_text(ctx, path, fd, &ret->text);
    close(fd);
    return verdict == JOB_DONE ? parse_text(ctx, name, ret) : verdict;
}

void query_done(struct query *query)
{
    free(query->text);
    for (size_t i = 0; i < query->n_parameters; i++)
        json_decref(query->parameters[i].preset);
    *query = (struct query){ 0 };
}

/* --- Values -------------------------------------------------------------------------------------------- */

static bool is_json(const struct query_type *type)
{
    return type->oid == 114 || type->oid == 3802;
}

/* One value as PostgreSQL reads it; *ret NULL for null. Return: NULL; what is wrong. */
static const char *format_value(const struct query_type *type, const json_t *value, char **ret)
{
    *ret = NULL;
    if (json_is_null(value))
        return NULL;
    if (is_json(type))
        *ret = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    else if (json_is_array(value) || json_is_object(value))
        return "is no single value";
    else if (!json_is_string(value))
        *ret = json_dumps(value, JSON_ENCODE_ANY); /* a number, true or false: the same in SQL */
    else if (strlen(json_string_value(value)) != json_string_length(value))
        return "has a NUL character";
    else
        *ret = strdup(json_string_value(value));
    return *ret ? NULL : "there is no memory for it";
}

/* An element within an array's text: in quotes, with \ before \ and ". */
static void write_element(FILE *out, const char *text)
{
    if (!text) {
        fputs("NULL", out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

static const char *format_list(const struct query_type *type, const json_t *value, char **ret)
{
    size_t size;
    const char *wrong = NULL;
    *ret = NULL;
    if (json_is_null(value))
        return NULL;
    if (!json_is_array(value))
        return "is no array";
    FILE *out = open_memstream(ret, &size);
    if (!out)
        return "there is no memory for it";
    putc('{', out);
    for (size_t i = 0; i < json_array_size(value) && !wrong; i++) {
        char *element;
        wrong = format_value(type, json_array_get(value, i), &element);
        if (i > 0)
            putc(',', out);
        if (!wrong)
            write_element(out, element);
        free(element);
    }
    putc('}', out);
    return fclose(out) == 0 ? wrong : "there is no memory for it";
}

static int check_names(struct job_context *ctx, const struct query *query, const json_t *given)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value)
    {
        size_t i = 0;
        while (i < query->n_parameters && strcmp(name, query->parameters[i].name) != 0)
            i++;
        if (i == query->n_parameters)
            return job_fail(ctx, "parameter %.64s: the query has none of that name", name);
    }
    return JOB_DONE;
}

static int bind_one(struct job_context *ctx, const struct query_parameter *parameter, const json_t *given,
                    struct query_values *values)
{
    const json_t *value = json_object_get(given, parameter->name);
    size_t i = values->n++;
    if (!value)
        value = parameter->preset;
    if (!value)
        return job_fail(ctx, "parameter %s: is missing", parameter->name);
    values->names[i] = parameter->name;
    values->oids[i] = parameter->is_list ? parameter->type->list_oid : parameter->type->oid;
    const char *wrong =
        (parameter->is_list ? format_list : format_value)(parameter->type, value, &values->texts[i]);
    return wrong ? job_fail(ctx, "parameter %s: %s", parameter->name, wrong) : JOB_DONE;
}

int query_bind(struct job_context *ctx, const struct query *query, const json_t *given,
               struct query_values *ret)
{
    *ret = (struct query_values){ 0 };
    int verdict = check_names(ctx, query, given);
    for (size_t i = 0; i < query->n_parameters && verdict == JOB_DONE; i++)
        verdict = bind_one(ctx, &query->parameters[i], given, ret);
    return verdict;
}

void query_values_done(struct query_values *values)
{
    for (size_t i = 0; i < values->n; i++)
        free(values->texts[i]);
    *values = (struct query_values){ 0 };
}
