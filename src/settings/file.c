#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "os/file.h"
#include "settings/settings.h"

/* Read a settings file: a map of sections ("head:", "worker:", "up:") of plain values, or of
 * plain values at the top. libyaml delivers events; the path to a value is its key in the
 * settings table. */

struct reading {
    struct settings *s;
    const char *path;      /* of the file, for error messages */
    char section[64];      /* "head", or "" at the top */
    char key[64];          /* the key whose value comes next, or "" */
    int depth;             /* number of open maps */
    int list;              /* id of the setting whose list is open, or -1 */
    size_t lines[SETTINGS_N]; /* where each setting was given; 0: not given yet */
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

/* Finds the setting of the current key. */
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

/* "~", "null" or an empty value: as if the key were absent. In quotes they are text. */
static bool is_null(const yaml_event_t *ev)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp((const char *)ev->data.scalar.value, words[i]) == 0)
            return true;
    }
    return false;
}

static bool is_section(const struct reading *r)
{
    return r->depth == 1 && setting_is_section(r->key);
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
    int id = r->list, err = 0;
    if (id >= 0)
        return put_value(r, ev, id, is_null(ev) ? "" : value);
    if (!is_null(ev) || !is_section(r))
        err = find_setting(r, ev, &id);
    if (err == 0 && !is_null(ev))
        err = put_value(r, ev, id, value);
    r->key[0] = '\0';
    return err;
}

static int on_list(struct reading *r, const yaml_event_t *ev)
{
    if (r->key[0] == '\0' || r->list >= 0 || is_section(r))
        return at_line(r, ev, "no list belongs under", r->key[0] != '\0' ? r->key : r->section);
    int err = find_setting(r, ev, &r->list);
    return err == 0 && setting_kind((enum setting_id)r->list) != SETTING_LIST ? at_line(r, ev, "no list belongs under", r->key) : err;
}

static int on_scalar(struct reading *r, const yaml_event_t *ev)
{
    const char *word = (const char *)ev->data.scalar.value;
    if (r->depth == 0 && is_null(ev))
        return 0; /* an empty document */
    if (r->depth == 0)
        return at_line(r, ev, "expected a map of settings, got", word);
    if (r->key[0] != '\0')
        return on_value(r, ev, word);
    if (strlen(word) == 0 || strlen(word) >= sizeof r->key)
        return at_line(r, ev, "unknown key", word);
    snprintf(r->key, sizeof r->key, "%s", word);
    return 0;
}

static int on_map(struct reading *r, const yaml_event_t *ev)
{
    if (r->list >= 0 || r->depth == 2 || (r->depth == 1 && r->key[0] == '\0'))
        return at_line(r, ev, "no map belongs under", r->key[0] != '\0' ? r->key : r->section);
    if (r->depth == 1) {
        snprintf(r->section, sizeof r->section, "%s", r->key);
        r->key[0] = '\0';
    }
    r->depth++;
    return 0;
}

static int on_event(struct reading *r, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT: return on_scalar(r, ev);
    case YAML_MAPPING_START_EVENT: return on_map(r, ev);
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

/* Returns advice on what to change, since the parser only says what it missed. */
static const char *remedy(const yaml_parser_t *parser, const char *problem, bool tab)
{
    if (tab)
        return " (a tab: YAML wants spaces)";
    if (parser->error == YAML_PARSER_ERROR && strchr(problem, ',') == NULL) /* not within [a, b] */
        return ": is this line indented as its neighbours are? The keys of a section stand in one column";
    if (parser->error == YAML_SCANNER_ERROR && strstr(problem, "mapping") != NULL)
        return ": a colon too many, or a line that is indented further than the one above; a value with a colon and a blank in it stands in quotes";
    return "";
}

/* libyaml counts bytes where it cannot decode characters, and lines where it cannot parse them. */
static int not_yaml(struct reading *r, const yaml_parser_t *parser, struct str text)
{
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
    size_t at = parser->problem_mark.index;
    if (parser->error == YAML_READER_ERROR)
        return fault_set(r->f, ERR_INVALID, "%s: byte %zu: %s: a settings file is text in UTF-8", r->path, parser->problem_offset + 1, problem);
    return fault_set(r->f, ERR_INVALID, "%s:%zu:%zu: %s%s", r->path, parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem,
                     remedy(parser, problem, at < text.n && text.p[at] == '\t'));
}

static int read_events(struct reading *r, yaml_parser_t *parser, struct str text)
{
    for (;;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(parser, &ev))
            return not_yaml(r, parser, text);
        int err = on_event(r, &ev);
        bool end = ev.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&ev);
        if (err != 0 || end)
            return err;
    }
}

bool settings_usual_file(char out[SETTINGS_PATH_BYTES])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = -1;
    if (config != NULL && config[0] == '/')
        n = snprintf(out, SETTINGS_PATH_BYTES, "%s/manta.yaml", config);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, SETTINGS_PATH_BYTES, "%s/.config/manta.yaml", home);
    return n > 0 && n < SETTINGS_PATH_BYTES;
}

/* Reads the whole file, up to the limit: the path may be anything, a folder or /dev/zero. */
static int read_text(const char *path, struct buf *out, struct fault *f)
{
    char part[4096];
    size_t n;
    FILE *file = file_open_text(path);
    if (file == NULL)
        return fault_set(f, ERR_NOT_FOUND, "cannot read the settings file '%s': %m", path);
    while ((n = fread(part, 1, sizeof part, file)) > 0 && buf_add(out, part, n) == 0)
        ;
    int err = ferror(file) ? fault_set(f, ERR_IO, "cannot read the settings file '%s': %m", path) : 0;
    if (err == 0 && n > 0)
        err = fault_set(f, ERR_TOO_LARGE, "the settings file '%s' is larger than %d bytes", path, SETTINGS_FILE_BYTES_MAX);
    fclose(file);
    return err;
}

static int read_yaml(struct reading *r, struct str text)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return fault_set(r->f, ERR_FAILED, "cannot start the YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    int err = read_events(r, &parser, text);
    yaml_parser_delete(&parser);
    return err;
}

int settings_read_file(struct settings *s, const char *path, struct fault *f)
{
    struct buf text = buf_max(SETTINGS_FILE_BYTES_MAX);
    struct reading r = {.s = s, .path = path, .list = -1, .f = f};
    int err = read_text(path, &text, f);
    if (err == 0 && text.n > 0)
        err = read_yaml(&r, buf_str(&text));
    buf_fini(&text);
    return err;
}
