#include "client/chat.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "client/fetch.h"
#include "client/show.h"
#include "client/talk.h"

void chat_init(struct chat *c, const struct client_options *o)
{
    *c = (struct chat){.o = o, .messages = json_array(), .sampling = json_object()};
    snprintf(c->model, sizeof c->model, "%s", o->model);
    if (o->max_tokens > 0)
        json_object_set_new(c->sampling, "max_tokens", json_integer(o->max_tokens));
}

void chat_fini(struct chat *c)
{
    json_decref(c->messages);
    json_decref(c->sampling);
    free(c->system);
    *c = (struct chat){0};
}

void chat_new(struct chat *c)
{
    json_array_clear(c->messages);
    c->left_out = 0;
}

static json_t *message(const char *role, const char *text)
{
    return json_pack("{s:s, s:s}", "role", role, "content", text);
}

/* Returns NULL if a text is not UTF-8. */
static char *body_of(const struct chat *c)
{
    json_t *body = json_copy(c->sampling), *all = json_array();
    if (c->system != NULL)
        json_array_append_new(all, message("system", c->system));
    json_array_extend(all, c->messages);
    if (c->model[0] != '\0')
        json_object_set_new(body, "model", json_string(c->model));
    json_object_set_new(body, "messages", all);
    json_object_set_new(body, "stream", json_true());
    json_object_set_new(body, "stream_options", json_pack("{s:b}", "include_usage", 1));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* Drops the oldest question and its answer. False: only the last question is left. */
static bool leave_out(struct chat *c)
{
    if (json_array_size(c->messages) < 3)
        return false;
    json_array_remove(c->messages, 0);
    json_array_remove(c->messages, 0);
    c->left_out++;
    return true;
}

static int ask_until_it_fits(struct chat *c, struct talk_answer *answer, struct fault *f)
{
    unsigned before = c->left_out;
    for (;;) {
        char *body = body_of(c);
        if (body == NULL)
            return fault_set(f, ERR_INVALID, "the message is not UTF-8 text, or has a NUL byte");
        int err = talk(c->o, body, c->quiet, (uint32_t)json_num(c->sampling, "max_tokens"), answer, f);
        free(body);
        if (err == ERR_CONTEXT && leave_out(c))
            continue;
        if (err == 0 && c->left_out > before && !c->quiet && show_on_terminal())
            printf("(the conversation is longer than the context: its oldest %u exchange%s left out)\n", c->left_out, c->left_out == 1 ? " was" : "s were");
        return err;
    }
}

int chat_say(struct chat *c, const char *text)
{
    struct talk_answer answer = {.text = buf_max(SIZE_MAX / 2)};
    struct fault f = {0};
    json_t *question = message("user", text), *said;
    int err = question != NULL ? 0 : fault_set(&f, ERR_INVALID, "the message is not UTF-8 text, or has a NUL byte");
    if (err == 0) {
        json_array_append(c->messages, question);
        err = ask_until_it_fits(c, &answer, &f);
    }
    said = (err == 0 || err == ERR_CANCELLED) && answer.text.n > 0 ? message("assistant", buf_cstr(&answer.text)) : NULL;
    if (said != NULL)
        json_array_append_new(c->messages, said);
    else if (question != NULL)
        json_array_remove(c->messages, json_array_size(c->messages) - 1); /* unanswered: the next question does not follow it */
    if (err != 0 && (err != ERR_CANCELLED || !show_on_terminal()))
        show_fault(&f);
    json_decref(question);
    buf_fini(&answer.text);
    return err;
}

/* ---- settings ---- */

#define SEED_MAX 9007199254740992.0 /* beyond that a number is not read exactly */

/* The bounds are those of the API (src/api/parse.c): a value that it would refuse with every question
 * is refused once, here. */
static const struct { const char *name; enum { TEXT, REAL, WHOLE } kind; double min, max; } fields[] = {
    {"temperature", REAL, 0, 5},       {"top_p", REAL, 0, 1},         {"top_k", WHOLE, -1, INT32_MAX},
    {"min_p", REAL, 0, 1},             {"max_tokens", WHOLE, 1, INT32_MAX}, {"seed", WHOLE, -SEED_MAX, SEED_MAX},
    {"stop", TEXT, 0, 0},              {"presence_penalty", REAL, -2, 2}, {"frequency_penalty", REAL, -2, 2},
    {"repeat_penalty", REAL, 0.01, 10},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static int unknown_field(const char *name, struct fault *f)
{
    const char *names[FIELDS], *near = NULL;
    for (size_t i = 0; i < FIELDS; i++) {
        names[i] = fields[i].name;
        near = near == NULL && strncmp(names[i], name, strlen(name)) == 0 ? names[i] : near; /* "temp" */
    }
    near = near != NULL ? near : nearest_word(name, names, FIELDS);
    if (near != NULL)
        return fault_set(f, ERR_INVALID, "/set: no setting '%.60s': did you mean '%s'?", name, near);
    return fault_set(f, ERR_INVALID, "/set: no setting '%.60s'; there are temperature, top_p, top_k, min_p, max_tokens, seed, stop, presence_penalty, "
                                     "frequency_penalty, repeat_penalty", name);
}

static int set_number(struct chat *c, size_t field, const char *value, struct fault *f)
{
    char *end = NULL;
    const char *name = fields[field].name;
    bool whole = fields[field].kind == WHOLE;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || isnan(number) || (whole && number != floor(number)))
        return fault_set(f, ERR_INVALID, "/set %s: '%.60s' is not a %snumber; /set %s default takes it back", name, value, whole ? "whole " : "", name);
    if (number < fields[field].min || number > fields[field].max)
        return fault_set(f, ERR_INVALID, "/set %s: %.60s is not between %.10g and %.10g", name, value, fields[field].min, fields[field].max);
    json_object_set_new(c->sampling, name, whole ? json_integer((json_int_t)number) : json_real(number));
    return 0;
}

int chat_set(struct chat *c, const char *name, const char *value, struct fault *f)
{
    size_t i = 0;
    while (i < FIELDS && strcmp(fields[i].name, name) != 0)
        i++;
    if (i == FIELDS)
        return unknown_field(name, f);
    if (value[0] == '\0')
        return fault_set(f, ERR_INVALID, "/set %s needs a value; example: /set temperature 0.7", name);
    if (strcmp(value, "default") == 0)
        json_object_del(c->sampling, name);
    else if (fields[i].kind == TEXT)
        json_object_set_new(c->sampling, name, json_string(value));
    else
        return set_number(c, i, value, f);
    return 0;
}

/* ---- files ---- */

static void write_for_people(const struct chat *c, FILE *file)
{
    size_t i;
    json_t *m;
    if (c->system != NULL)
        fprintf(file, "**System:** %s\n\n", c->system);
    json_array_foreach(c->messages, i, m)
        fprintf(file, "%s %s\n\n", strcmp(json_text(m, "role", ""), "user") == 0 ? "**You:**" : "**Model:**", json_text(m, "content", ""));
}

static void write_for_programs(const struct chat *c, FILE *file)
{
    char *text = body_of(c);
    json_t *body = text != NULL ? json_loads(text, 0, NULL) : NULL;
    json_object_del(body, "stream");
    json_object_del(body, "stream_options");
    json_dumpf(body, file, JSON_INDENT(2));
    fputc('\n', file);
    json_decref(body);
    free(text);
}

int chat_save(const struct chat *c, const char *path, struct fault *f)
{
    size_t n = strlen(path);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return fault_set(f, ERR_IO, "/save: cannot write '%.300s': %s", path, strerror(errno));
    if (n > 3 && strcmp(path + n - 3, ".md") == 0)
        write_for_people(c, file);
    else
        write_for_programs(c, file);
    bool failed = ferror(file) != 0;
    return fclose(file) == 0 && !failed ? 0 : fault_set(f, ERR_IO, "/save: cannot write '%.300s': is the disk full?", path);
}
