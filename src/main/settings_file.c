#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "main/settings.h"

/* A settings file is a map of sections ("head:", "worker:", "up:") of plain values, or of plain values at the top.
 * libyaml gives events; the path to the value is its key in the settings table. */

struct reading {
    struct settings *s;
    const char *path;      /* of the file, for errors */
    char section[64];      /* "head", or "" at the top */
    char key[64];          /* the key whose value comes next, or "" */
    int depth;             /* maps that are open */
    int list;              /* id of the setting whose list is open, or -1 */
    size_t lines[SETTINGS_N]; /* where each setting was given; 0: not yet */
    struct fault *f;
};

static int at_line(const struct reading *r, const yaml_event_t *ev, const char *what, const char *word)
{
    return fault_set(r->f, ERR_INVALID, "%s:%zu:%zu: %s '%.60s'", r->path, ev->start_mark.line + 1, ev->start_mark.column + 1,
                     what, word);
}

static void full_key(const struct reading *r, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s%s", r->section, r->section[0] != '\0' ? "." : "", r->key);
}

/* The setting that the present key stands for. */
static int find_setting(struct reading *r, const yaml_event_t *ev, int *out_id)
{
    char key[132], what[200];
    full_key(r, key, sizeof key);
    const char *near = NULL;
    int id = setting_by_key(key, &near);
    if (id < 0 && near != NULL) {
        snprintf(what, sizeof what, "unknown key '%s': did you mean", key);
        return at_line(r, ev, what, near);
    }
    if (id < 0)
        return at_line(r, ev, "unknown key", key);
    if (r->lines[id] != 0) {
        snprintf(what, sizeof what, "given already in line %zu:", r->lines[id]);
        return at_line(r, ev, what, key);
    }
    r->lines[id] = ev->start_mark.line + 1;
    *out_id = id;
    return 0;
}

static int put_value(struct reading *r, const yaml_event_t *ev, int id, const char *value)
{
    char key[132], where[480];
    full_key(r, key, sizeof key);
    snprintf(where, sizeof where, "%.300s:%zu: %s", r->path, ev->start_mark.line + 1, key);
    return setting_put(r->s, (enum setting_id)id, value, FROM_FILE, where, r->f);
}

static int on_value(struct reading *r, const yaml_event_t *ev, const char *value)
{
    int id = r->list;
    if (id >= 0)
        return put_value(r, ev, id, value);
    int err = find_setting(r, ev, &id);
    if (err == 0)
        err = put_value(r, ev, id, value);
    r->key[0] = '\0';
    return err;
}

static int on_list(struct reading *r, const yaml_event_t *ev)
{
    if (r->key[0] == '\0' || r->list >= 0)
        return at_line(r, ev, "no list belongs under", r->key[0] != '\0' ? r->key : r->section);
    int err = find_setting(r, ev, &r->list);
    return err == 0 && !setting_is_list((enum setting_id)r->list) ? at_line(r, ev, "no list belongs under", r->key) : err;
}

static int on_scalar(struct reading *r, const yaml_event_t *ev)
{
    const char *word = (const char *)ev->data.scalar.value;
    if (r->depth == 0)
        return at_line(r, ev, "expected a map of settings, got", word);
    if (r->key[0] != '\0')
        return on_value(r, ev, word);
    if (strlen(word) == 0 || strlen(word) >= sizeof r->key)
        return at_line(r, ev, "unknown key", word);
    snprintf(r->key, sizeof r->key, "%s", word);
    return 0;
}

static int on_event(struct reading *r, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT: return on_scalar(r, ev);
    case YAML_MAPPING_START_EVENT:
        if (r->list >= 0 || r->depth == 2 || (r->depth == 1 && r->key[0] == '\0'))
            return at_line(r, ev, "no map belongs under", r->key[0] != '\0' ? r->key : r->section);
        if (r->depth == 1) {
            snprintf(r->section, sizeof r->section, "%s", r->key);
            r->key[0] = '\0';
        }
        r->depth++;
        return 0;
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        r->section[0] = '\0';
        return 0;
    case YAML_SEQUENCE_START_EVENT: return on_list(r, ev);
    case YAML_SEQUENCE_END_EVENT:
        r->list = -1;
        r->key[0] = '\0';
        return 0;
    case YAML_ALIAS_EVENT: return at_line(r, ev, "aliases are not used here, found under", r->key);
    default: return 0;
    }
}

static int read_events(struct reading *r, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(parser, &ev))
            return fault_set(r->f, ERR_INVALID, "%s:%zu:%zu: %s", r->path, parser->problem_mark.line + 1,
                             parser->problem_mark.column + 1, parser->problem != NULL ? parser->problem : "not YAML");
        int err = on_event(r, &ev);
        bool end = ev.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&ev);
        if (err != 0 || end)
            return err;
    }
}

int settings_read_file(struct settings *s, const char *path, struct fault *f)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fault_set(f, ERR_NOT_FOUND, "cannot read the settings file '%s': %m", path);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        fclose(file);
        return fault_set(f, ERR_FAILED, "cannot start the YAML parser");
    }
    yaml_parser_set_input_file(&parser, file);
    struct reading r = {.s = s, .path = path, .list = -1, .f = f};
    int err = read_events(&r, &parser);
    yaml_parser_delete(&parser);
    fclose(file);
    return err;
}
