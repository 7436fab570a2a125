#include "api/json_in.h"

#include <limits.h>

#include "api/refuse.h"
#include "base/utf8.h"

/* Scans the body before jansson, because jansson's depth limit is fixed at 2048, its errors do not
 * locate invalid UTF-8, and an empty object takes some 250 bytes for 3 bytes of body: 4 MB of
 * "{},{},…" would take 300 MB of the head. */
struct scan {
    struct str body;
    size_t at;        /* current byte */
    size_t depth;     /* open brackets */
    size_t weight;    /* of the values begun, counted by their separators */
    uint64_t objects; /* bit d: the bracket at depth d is an object's */
    bool in_string;
};

/* Memory of a value in the tree, in units of an array's number (some 48 bytes): an empty object
 * takes 250 bytes, and an object's member has a name, too. */
enum { CONTAINER = 5, MEMBER = 3, ELEMENT = 1 };

static void open_bracket(struct scan *s, bool object)
{
    uint64_t bit = 1ull << (s->depth % 64);
    s->objects = object ? s->objects | bit : s->objects & ~bit;
    s->depth++;
    s->weight += CONTAINER;
}

static bool in_object(const struct scan *s)
{
    return s->depth > 0 && (s->objects >> ((s->depth - 1) % 64) & 1) != 0;
}

static int scan_outside(struct scan *s, char c, struct api_error *e)
{
    if (c == '"')
        s->in_string = true;
    else if (c == '{' || c == '[')
        open_bracket(s, c == '{');
    else if ((c == '}' || c == ']') && s->depth > 0)
        s->depth--;
    else if (c == ',')
        s->weight += in_object(s) ? MEMBER : ELEMENT;
    if (s->depth > API_JSON_DEPTH_MAX)
        return api_refuse(e, ERR_INVALID, "", "the body is nested deeper than %d levels, at byte %zu",
                          API_JSON_DEPTH_MAX, s->at);
    if (s->weight > API_JSON_WEIGHT_MAX)
        return api_refuse(e, ERR_TOO_LARGE, "", "the body holds more JSON values than are taken in one request, %d numbers or %d objects, at byte %zu",
                          API_JSON_WEIGHT_MAX, API_JSON_WEIGHT_MAX / CONTAINER, s->at);
    return 0;
}

/* Returns the length of one character, or an error. */
static int scan_char(struct scan *s, size_t *out_bytes, struct api_error *e)
{
    const char *p = s->body.p + s->at;
    if (*p == '\0')
        return api_refuse(e, ERR_INVALID, "", "the body holds a NUL byte, at byte %zu", s->at);
    *out_bytes = utf8_len(p, s->body.n - s->at);
    if (*out_bytes == 0)
        return api_refuse(e, ERR_INVALID, "", "the body is not valid UTF-8: 0x%02x at byte %zu", (unsigned char)*p,
                          s->at);
    return 0;
}

static int scan(struct str body, struct api_error *e)
{
    struct scan s = {.body = body};
    bool escaped = false; /* the last character was a backslash in a string */
    for (size_t bytes = 0; s.at < body.n; s.at += bytes) {
        int err = scan_char(&s, &bytes, e);
        if (err)
            return err;
        char c = body.p[s.at];
        if (!s.in_string) {
            err = scan_outside(&s, c, e);
            if (err)
                return err;
        } else if (escaped) {
            escaped = false;
        } else if (c == '\\') {
            escaped = true;
        } else if (c == '"') {
            s.in_string = false;
        }
    }
    return 0;
}

static int refuse_syntax(const json_error_t *je, struct api_error *e)
{
    size_t at = je->position > 0 ? (size_t)je->position : 0;
    switch (json_error_code(je)) {
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return api_refuse(e, ERR_INVALID, "", "the body holds a NUL character (\\u0000), near byte %zu", at);
    case json_error_numeric_overflow:
        return api_refuse(e, ERR_INVALID, "", "the body holds a number larger than 64 bits, near byte %zu", at);
    case json_error_duplicate_key: /* jansson's text ends "… near '"key"'" */
        return api_refuse(e, ERR_INVALID, "", "the body has a key twice in one object: send one of them; %.*s, byte %zu",
                          UTF8_HEAD(strstr(je->text, "near") != NULL ? strstr(je->text, "near") : "", 80), at);
    default:
        return api_refuse(e, ERR_INVALID, "", "the body is not valid JSON: %s, near byte %zu", je->text, at);
    }
}

/* Returns the first byte that is not white space; '\0' if there is none. */
static char first_char(struct str body)
{
    for (size_t i = 0; i < body.n; i++)
        if (strchr(" \t\r\n", body.p[i]) == NULL || body.p[i] == '\0')
            return body.p[i];
    return '\0';
}

static int parse(struct str body, size_t flags, json_t **out, struct api_error *e)
{
    if (body.n > API_BODY_BYTES_MAX)
        return api_refuse(e, ERR_TOO_LARGE, "", "the body has %zu bytes, at most %d are taken", body.n,
                          API_BODY_BYTES_MAX);
    int err = scan(body, e);
    if (err)
        return err;
    body = utf8_unmarked(body); /* RFC 8259 lets a reader ignore it */
    char first = first_char(body);
    if (first == '\0')
        return api_refuse(e, ERR_INVALID, "", "the body is empty: expected a JSON object");
    if (first == '[' || first == '"')
        return api_refuse(e, ERR_INVALID, "", "the body must be a JSON object, got %s",
                          first == '[' ? "an array" : "a string");
    json_error_t je = {0};
    json_t *root = json_loadb(body.p, body.n, flags, &je);
    if (root == NULL)
        return refuse_syntax(&je, e);
    *out = root;
    return 0;
}

int api_json_parse(struct str body, json_t **out, struct api_error *e)
{
    return parse(body, JSON_REJECT_DUPLICATES, out, e);
}

int api_json_parse_text(struct str text, json_t **out, struct api_error *e)
{
    return parse(text, 0, out, e);
}

const char *api_json_kind(const json_t *v)
{
    if (v == NULL)
        return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    }
    return "nothing";
}
