/* Print an answer of the head as JSON or as YAML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/plain.h"
#include "client/client.h"
#include "client/show.h"

/* A JSON string is a valid YAML string; a plain word needs no quotes. */
static void put_string(const char *s)
{
    static const char *const others[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"};
    bool plain = s[0] != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == strlen(s) && strspn(s, "0123456789.-") == 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        plain = plain && strcasecmp(s, others[i]) != 0;
    if (plain) {
        printf("%s\n", s);
        return;
    }
    json_t *value = json_string(s);
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    struct buf harmless = buf_max(SIZE_MAX / 2);
    if (show_on_terminal() && text != NULL)
        plain_add_json(&harmless, str_of(text));
    printf("%s\n", harmless.n > 0 ? buf_cstr(&harmless) : text != NULL ? text : "\"\"");
    buf_fini(&harmless);
    free(text);
    json_decref(value);
}

static void put(const json_t *v, unsigned indent);

static void put_members(const json_t *v, unsigned indent, bool first_inline)
{
    const char *key;
    json_t *inner;
    json_object_foreach((json_t *)(uintptr_t)v, key, inner) {
        printf("%*s%s:", first_inline ? 0 : (int)indent, "", key);
        first_inline = false;
        put(inner, indent + 2);
    }
}

/* Writes a value after "key:" or "-", beginning with the blank or line feed. */
static void put(const json_t *v, unsigned indent)
{
    size_t i;
    json_t *inner;
    if (json_is_string(v)) {
        putchar(' ');
        put_string(json_string_value(v));
    } else if (json_is_object(v) && json_object_size(v) > 0) {
        putchar('\n');
        put_members(v, indent, false);
    } else if (json_is_array(v) && json_array_size(v) > 0) {
        putchar('\n');
        json_array_foreach(v, i, inner) {
            printf("%*s-", (int)indent - 2, "");
            if (json_is_object(inner) && json_object_size(inner) > 0) {
                putchar(' ');
                put_members(inner, indent, true);
            } else {
                put(inner, indent + 2);
            }
        }
    } else {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        printf(" %s\n", text != NULL ? text : "null");
        free(text);
    }
}

static void show_yaml(const json_t *v)
{
    if (json_is_object(v))
        put_members(v, 0, false);
    else
        put(v, 2);
}

static bool as_yaml;

void client_yaml(void)
{
    as_yaml = true;
}

void show_json(struct str text)
{
    json_t *value = as_yaml ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    struct buf plain = buf_max(SIZE_MAX / 2);
    if (value != NULL) {
        show_yaml(value);
    } else {
        if (show_on_terminal())
            plain_add_json(&plain, text);
        fwrite(plain.n > 0 ? plain.p : text.p, 1, plain.n > 0 ? plain.n : text.n, stdout);
        fputc('\n', stdout);
    }
    json_decref(value);
    buf_fini(&plain);
}

void show_json_value(const json_t *v)
{
    enum { DIGITS = 12 }; /* without binary rounding errors */
    char *text = json_dumps(v, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));
    if (text != NULL)
        show_json(str_of(text));
    free(text);
}
