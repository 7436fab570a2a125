#include "settings/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cells.h"
#include "base/must.h"
#include "base/nearest.h"

struct setting {
    const char *flag, *key;
    enum setting_kind kind;
    const char *fallback;
    uint64_t lowest, highest;
    const char *choices; /* "a|b|c" */
    unsigned uses;
    const char *help;    /* NULL: hidden */
};

static const struct setting table[SETTINGS_N] = {
#define S(id, flag, key, kind, fallback, lowest, highest, choices, uses, help) \
    [SET_##id] = {flag, key, kind, fallback, lowest, highest, choices, uses, help},
    SETTINGS(S)
#undef S
};

const char *setting_text(const struct settings *s, enum setting_id id)
{
    return s->values[id].text;
}

uint64_t setting_number(const struct settings *s, enum setting_id id)
{
    return s->values[id].number;
}

unsigned setting_uses(enum setting_id id)
{
    return table[id].uses;
}

const char *setting_flag(enum setting_id id)
{
    return table[id].flag;
}

bool setting_is_hidden(enum setting_id id)
{
    return table[id].help == NULL;
}

enum setting_kind setting_kind(enum setting_id id)
{
    return table[id].kind;
}

const char *const *setting_items(const struct settings *s, enum setting_id id, uint32_t *out_n)
{
    MUST(table[id].kind == SETTING_LIST);
    *out_n = s->values[id].items_n;
    return (const char *const *)s->values[id].items;
}

char *setting_as_flag(const struct settings *s, enum setting_id id, uint32_t i)
{
    const struct setting_value *v = &s->values[id];
    if (i >= (table[id].kind == SETTING_LIST ? v->items_n : 1) || (table[id].kind == SETTING_TEXT && v->text[0] == '\0'))
        return NULL;
    struct buf flag = buf_max(SIZE_MAX / 2);
    buf_printf(&flag, "--%s=%s", table[id].flag, table[id].kind == SETTING_LIST ? v->items[i] : v->text);
    buf_cstr(&flag);
    return flag.p;
}

/* ---- values ---- */

static int parse_number(const struct setting *t, const char *value, uint64_t *out)
{
    if (value[0] < '0' || value[0] > '9')
        return ERR_INVALID;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    uint64_t unit = 1;
    if (t->kind == SETTING_BYTES && *end != '\0') {
        const char *units = "kmgt";
        const char *u = strchr(units, *end | 0x20);
        if (u == NULL)
            return ERR_INVALID;
        unit = (uint64_t)1 << (10 * (u - units + 1));
        end++;
        if (strcasecmp(end, "b") == 0 || strcasecmp(end, "ib") == 0)
            end += strlen(end);
    }
    if (*end != '\0' || errno != 0 || v > UINT64_MAX / unit)
        return ERR_INVALID;
    *out = v * unit;
    return *out < t->lowest || *out > t->highest ? ERR_INVALID : 0;
}

static int parse_switch(const char *value, uint64_t *out)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *out = i % 2;
            return 0;
        }
    }
    return ERR_INVALID;
}

static int parse_choice(const char *choices, const char *value, uint64_t *out)
{
    size_t n = strlen(value), index = 0;
    for (const char *at = choices; *at != '\0'; index++) {
        size_t word = strcspn(at, "|");
        if (word == n && memcmp(at, value, n) == 0) {
            *out = index;
            return 0;
        }
        at += word + (at[word] == '|');
    }
    return ERR_INVALID;
}

static int complain(const struct setting *t, const char *value, const char *where, struct fault *f)
{
    switch (t->kind) {
    case SETTING_NUMBER:
        return fault_set(f, ERR_USAGE, "%s: '%.80s' is not a whole number from %llu to %llu", where, value,
                         (unsigned long long)t->lowest, (unsigned long long)t->highest);
    case SETTING_BYTES:
        return fault_set(f, ERR_USAGE, "%s: '%.80s' is not a size: write it like 500m or 2g", where, value);
    case SETTING_SWITCH: return fault_set(f, ERR_USAGE, "%s: '%.80s' is neither on nor off", where, value);
    case SETTING_CHOICE: return fault_set(f, ERR_USAGE, "%s: '%.80s' is not one of %s", where, value, t->choices);
    case SETTING_TEXT: /* a secret, which is not shown */
        return fault_set(f, ERR_USAGE, "%s: has a line break or another control character: give one line, keys with commas between them", where);
    default: return fault_set(f, ERR_USAGE, "%s: '%.80s' cannot be used", where, value);
    }
}

/* ---- lists ---- */

static void value_fini(struct setting_value *v)
{
    for (uint32_t i = 0; i < v->items_n; i++)
        free(v->items[i]);
    free(v->items);
    free(v->text);
    free(v->where);
    *v = (struct setting_value){0};
}

static int add_item(struct setting_value *v, struct str item, const char *where, struct fault *f)
{
    if (item.n == 0)
        return fault_set(f, ERR_USAGE, "%s: an item of the list is empty", where);
    if (v->items_n == SETTING_ITEMS_MAX)
        return fault_set(f, ERR_USAGE, "%s: '%.*s' is one too many, at most %d can be given", where, STR_ARG(item), SETTING_ITEMS_MAX);
    for (uint32_t i = 0; i < v->items_n; i++)
        if (str_is(item, v->items[i]))
            return fault_set(f, ERR_USAGE, "%s: '%.*s' is given twice", where, STR_ARG(item));
    if (v->items == NULL)
        v->items = xalloc_array(SETTING_ITEMS_MAX, sizeof *v->items);
    v->items[v->items_n++] = xstr_dup(item);
    struct buf text = buf_max(SIZE_MAX / 2);
    buf_printf(&text, "%s%s%.*s", v->text != NULL ? v->text : "", v->text != NULL ? "," : "", STR_ARG(item));
    buf_cstr(&text);
    free(v->text);
    v->text = text.p;
    return 0;
}

/* Splits a value at commas only when it comes from the environment, which has no other way to
 * give several items: elsewhere a comma is part of a file's name. Scripts of the echo engine
 * contain commas, so several of them are separated by line ends. */
static int add_items(struct setting_value *v, const char *value, const char *where, struct fault *f)
{
    bool split = v->source == FROM_ENV;
    const char *ends = !split ? "" : strchr(value, '\n') != NULL || strncmp(value, "echo:", 5) == 0 ? "\n" : ",";
    for (const char *at = value;;) {
        size_t n = strcspn(at, ends);
        int err = add_item(v, str_n(at, n), where, f);
        if (err != 0 || at[n] == '\0')
            return err;
        at += n + 1;
    }
}

static int put_list(struct settings *s, enum setting_id id, const char *value, enum setting_source source, const char *where,
                    struct fault *f)
{
    struct setting_value *v = &s->values[id];
    if (v->text != NULL && v->source > source)
        return 0; /* a stronger source has set it */
    if (v->text == NULL || v->source < source) {
        value_fini(v);
        v->source = source;
        v->where = xstrdup(where);
    }
    return add_items(v, value, where, f);
}

/* Secrets become lines of HTTP headers and of logs. */
static bool is_line(const char *s)
{
    while (*s != '\0' && (unsigned char)*s >= ' ' && *s != 0x7f)
        s++;
    return *s == '\0';
}

int setting_put(struct settings *s, enum setting_id id, const char *value, enum setting_source source, const char *where,
                struct fault *f)
{
    const struct setting *t = &table[id];
    uint64_t number = 0;
    int err = 0;
    switch (t->kind) {
    case SETTING_TEXT: err = setting_is_secret(id) && !is_line(value) ? ERR_INVALID : 0; break;
    case SETTING_NUMBER:
    case SETTING_BYTES: err = parse_number(t, value, &number); break;
    case SETTING_SWITCH: err = parse_switch(value, &number); break;
    case SETTING_CHOICE: err = parse_choice(t->choices, value, &number); break;
    case SETTING_LIST: return put_list(s, id, value, source, where, f);
    }
    if (err != 0)
        return complain(t, value, where, f);
    struct setting_value *v = &s->values[id];
    if (v->text != NULL && v->source > source)
        return 0; /* a stronger source has set it */
    value_fini(v);
    *v = (struct setting_value){.text = xstrdup(value), .number = number, .source = source, .where = xstrdup(where)};
    return 0;
}

int setting_by_key(const char *key, const char **out_nearest)
{
    const char *keys[SETTINGS_N];
    size_t n = 0;
    for (int i = 0; i < SETTINGS_N; i++) {
        if (table[i].key == NULL)
            continue;
        if (strcmp(table[i].key, key) == 0)
            return i;
        keys[n++] = table[i].key;
    }
    *out_nearest = nearest_word(key, keys, n);
    return -1;
}

bool setting_is_section(const char *key)
{
    size_t n = strlen(key);
    for (int i = 0; i < SETTINGS_N; i++) {
        if (table[i].key != NULL && strncmp(table[i].key, key, n) == 0 && table[i].key[n] == '.')
            return true;
    }
    return false;
}

void settings_init(struct settings *s)
{
    *s = (struct settings){.warnings = buf_max(SETTING_WARNINGS_BYTES_MAX)};
    for (int i = 0; i < SETTINGS_N; i++) {
        struct fault f = {0};
        char where[64];
        snprintf(where, sizeof where, "--%s (default)", table[i].flag);
        int err = setting_put(s, (enum setting_id)i, table[i].fallback, FROM_DEFAULT, where, &f);
        MUST(err == 0);
    }
}

void settings_fini(struct settings *s)
{
    for (int i = 0; i < SETTINGS_N; i++)
        value_fini(&s->values[i]);
    free(s->args);
    buf_fini(&s->warnings);
    *s = (struct settings){0};
}

/* ---- help ---- */

static const char *value_word(enum setting_kind kind)
{
    switch (kind) {
    case SETTING_NUMBER: return " N";
    case SETTING_BYTES: return " SIZE";
    case SETTING_TEXT:
    case SETTING_LIST: return " TEXT";
    case SETTING_CHOICE: return " WORD";
    default: return "";
    }
}

/* Returns whether the setting is shown by the plain --help of a command with many flags. */
static bool is_common(enum setting_id id)
{
    static const enum setting_id common[] = {SET_HOST,   SET_PORT,     SET_API_KEY, SET_JOIN_TOKEN, SET_HEAD,    SET_MODEL,  SET_SLOTS, SET_CONTEXT,
                                             SET_MEMORY, SET_EXACT,    SET_WORKERS, SET_ON,         SET_DETACH,  SET_VERBOSE, SET_NO_PROMPT, SET_TEST,
                                             SET_CONFIG, SET_BALANCE,  SET_NODE,    SET_SCALE};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        if (common[i] == id)
            return true;
    return false;
}

/* Appends the help text, the choices and the default. */
static void describe(const struct setting *t, struct buf *out)
{
    buf_puts(out, t->help);
    if (t->choices != NULL)
        buf_printf(out, " (%s)", t->choices);
    if (t->kind == SETTING_SWITCH && strcmp(t->fallback, "on") == 0)
        buf_printf(out, " [on; --%s=off]", t->flag);
    else if (t->kind != SETTING_SWITCH && t->fallback[0] != '\0')
        buf_printf(out, " [%s]", t->fallback);
}

static void print_setting(const struct setting *t, unsigned columns)
{
    enum { TEXT_COLUMN = 29 };
    char head[64];
    struct buf text = buf_max(SIZE_MAX / 2), out = buf_max(SIZE_MAX / 2);
    snprintf(head, sizeof head, "--%s%s", t->flag, value_word(t->kind));
    describe(t, &text);
    wrap_text(buf_str(&text), columns, TEXT_COLUMN, TEXT_COLUMN, &out);
    printf("  %-26s %s\n", head, buf_cstr(&out));
    buf_fini(&text);
    buf_fini(&out);
}

enum { FLAGS_FEW = 16 }; /* a command with no more flags shows them all */

/* Prints the settings whose key begins with `section`; NULL: those without a section. */
static void print_section(unsigned uses, const char *title, const char *section, unsigned columns)
{
    bool begun = false;
    size_t n = section != NULL ? strlen(section) : 0;
    for (int i = 0; i < SETTINGS_N; i++) {
        const struct setting *t = &table[i];
        const char *key = t->key != NULL && strchr(t->key, '.') != NULL ? t->key : NULL;
        if ((t->uses & uses) == 0 || t->help == NULL || (section == NULL ? key != NULL : key == NULL || strncmp(key, section, n) != 0))
            continue;
        if (!begun)
            printf("%s:\n", title);
        begun = true;
        print_setting(t, columns);
    }
}

static void print_sections(unsigned uses, unsigned columns)
{
    print_section(uses, "the cluster", "up.", columns);
    print_section(uses, "head", "head.", columns);
    print_section(uses, "workers", "worker.", columns);
    print_section(uses, "downloads", "models.", columns);
    print_section(uses, "general", NULL, columns);
}

void settings_print_help(unsigned uses, bool all, unsigned columns)
{
    int n = 0;
    for (int i = 0; i < SETTINGS_N; i++)
        n += (table[i].uses & uses) != 0 && table[i].help != NULL;
    if (all && n > FLAGS_FEW) {
        print_sections(uses, columns);
        return;
    }
    for (int i = 0; i < SETTINGS_N; i++)
        if ((table[i].uses & uses) != 0 && table[i].help != NULL && (n <= FLAGS_FEW || is_common((enum setting_id)i)))
            print_setting(&table[i], columns);
    if (n > FLAGS_FEW)
        printf("  %-26s %s\n", "--help all", "all flags, in groups");
    else
        printf("  %-26s %s\n", "--help", "this page");
}

const char *setting_key(enum setting_id id)
{
    return table[id].key;
}

bool setting_is_secret(enum setting_id id)
{
    return id == SET_API_KEY || id == SET_JOIN_TOKEN;
}
