#include "models/reference.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "base/str.h"
#include "models/show.h"

enum { CATALOGUE_MAX = 64 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

const struct catalogue_entry *reference_entry(const char *name)
{
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

const char *reference_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool starts_with(const char *s, const char *start)
{
    return strncasecmp(s, start, strlen(start)) == 0;
}

static bool ends_with(struct str s, const char *end)
{
    size_t n = strlen(end);
    return s.n >= n && strncasecmp(s.p + s.n - n, end, n) == 0;
}

/* Returns whether a part of an address may become a part of a path: no "..", nothing hidden, no
 * character that a shell or a URL interprets. `also`: allowed beside letters and digits. */
static bool is_plain(struct str s, const char *also)
{
    if (s.n == 0 || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || (strchr(letters, s.p[i]) == NULL && strchr(also, s.p[i]) == NULL))
            return false;
    return true;
}

/* Removes the text before the first of `ends` from *rest and returns it; the ending character
 * stays. */
static struct str take(struct str *rest, const char *ends)
{
    size_t n = 0;
    while (n < rest->n && strchr(ends, rest->p[n]) == NULL)
        n++;
    struct str part = str_n(rest->p, n);
    *rest = str_n(rest->p + n, rest->n - n);
    return part;
}

static bool put(char *out, size_t cap, struct str s)
{
    if (s.n >= cap)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool put_name(char out[HUB_NAME_BYTES], struct str s)
{
    return is_plain(s, "._-") && put(out, HUB_NAME_BYTES, s);
}

/* ---- #sha256= ---- */

static int take_sha256(struct str *text, struct reference *r, struct fault *f)
{
    static const char mark[] = "#sha256=";
    struct str at = *text;
    take(&at, "#");
    if (at.n == 0)
        return 0;
    text->n -= at.n;
    bool good = at.n == sizeof mark - 1 + 64 && strncasecmp(at.p, mark, sizeof mark - 1) == 0;
    for (size_t i = 0; good && i < 64; i++) {
        char c = at.p[sizeof mark - 1 + i];
        good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        r->sha256[i] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
    }
    if (!good)
        return fault_set(f, ERR_INVALID, "'%.80s' behind a model's address: it takes #sha256= and 64 hex digits", show_bytes(at.p, at.n).text);
    return 0;
}

/* ---- the hub ---- */

/* Checks each part of the file's path in the repository, and keeps the path. */
static bool put_file(struct reference *r, struct str path)
{
    struct str rest = path;
    do {
        if (!is_plain(take(&rest, "/"), "._-+=@,"))
            return false;
    } while (str_take(&rest, '/'));
    return ends_with(path, ".gguf") && put(r->file, sizeof r->file, path);
}

/* Parses the rest of a web address behind owner/repo: nothing, or resolve|blob|raw / revision /
 * file, and perhaps ?download=true. */
static bool put_page(struct reference *r, struct str rest)
{
    str_take(&rest, '/');
    if (rest.n == 0 || rest.p[0] == '?')
        return true;
    struct str whole = rest, how = take(&rest, "/");
    if (!str_is(how, "resolve") && !str_is(how, "blob") && !str_is(how, "raw"))
        return put_file(r, take(&whole, "?"));
    if (!str_take(&rest, '/') || !put_name(r->revision, take(&rest, "/")) || !str_take(&rest, '/'))
        return false;
    return put_file(r, take(&rest, "?"));
}

static bool put_quant(struct reference *r, struct str quant)
{
    if (str_is(quant, "latest"))
        return true;
    return put_name(r->quant, quant);
}

/* Parses owner/repo[@revision][:quant], …/file.gguf, or the path of one of its web pages. */
static int parse_hub(struct str text, bool page, struct reference *r, struct fault *f)
{
    struct str rest = text;
    r->kind = REFERENCE_HUB;
    snprintf(r->revision, sizeof r->revision, "main");
    bool good = put_name(r->owner, take(&rest, "/")) && str_take(&rest, '/') && put_name(r->repo, take(&rest, "/@:?"));
    if (good && str_take(&rest, '@'))
        good = put_name(r->revision, take(&rest, "/:"));
    if (good && page && rest.n > 0 && rest.p[0] == '/')
        good = put_page(r, rest);
    else if (good && str_take(&rest, ':'))
        good = put_quant(r, rest);
    else if (good && str_take(&rest, '/'))
        good = put_file(r, rest);
    else if (good && rest.n > 0)
        good = page && rest.p[0] == '?';
    if (!good)
        return fault_set(f, ERR_INVALID,
                         "'%.200s' is no model address: write hf:owner/repo/file.gguf or hf:owner/repo:Q4_K_M, with letters, digits, . _ and -",
                         show_bytes(text.p, text.n).text);
    return 0;
}

/* ---- the web ---- */

static bool is_hub_host(struct str host)
{
    static const char *const hosts[] = {"huggingface.co", "www.huggingface.co", "hf.co"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (host.n == strlen(hosts[i]) && strncasecmp(host.p, hosts[i], host.n) == 0)
            return true;
    return false;
}

static bool is_loopback(struct str host)
{
    struct str name = host;
    if (str_take(&name, '['))
        name = take(&name, "]");
    else
        name = take(&name, ":");
    return str_is(name, "localhost") || str_is(name, "127.0.0.1") || str_is(name, "::1");
}

static int parse_url(struct str text, bool secure, struct reference *r, struct fault *f)
{
    struct str rest = str_n(text.p + (secure ? 8 : 7), text.n - (secure ? 8 : 7));
    struct str host = take(&rest, "/?");
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || (unsigned char)text.p[i] == 0x7f || strchr("\\\"<>{}|^`", text.p[i]) != NULL)
            return fault_set(f, ERR_INVALID, "'%.200s' is no web address: a space or sign that must be written as %%XX", show_bytes(text.p, text.n).text);
    if (secure && is_hub_host(host) && str_take(&rest, '/'))
        return parse_hub(rest, true, r, f);
    if (host.n == 0 || memchr(host.p, '@', host.n) != NULL)
        return fault_set(f, ERR_INVALID, "a model's web address needs a host, and no name or password in it; a token goes into HF_TOKEN");
    if (!secure && !is_loopback(host) && r->sha256[0] == '\0')
        return fault_set(f, ERR_INVALID, "'%.200s' is not encrypted: use https://, or say which bytes are right with #sha256=",
                         show_bytes(text.p, text.n).text);
    struct str path = take(&rest, "?"), name = path;
    while (name.n > 0 && memchr(name.p, '/', name.n) != NULL) {
        take(&name, "/");
        str_take(&name, '/');
    }
    if (!is_plain(name, "._-+=@,") || !ends_with(name, ".gguf") || name.n >= HUB_FILE_BYTES)
        return fault_set(f, ERR_INVALID, "'%.200s' does not end in the name of a .gguf file", show_bytes(text.p, text.n).text);
    r->kind = REFERENCE_URL;
    put(r->file, sizeof r->file, name);
    put(r->url, sizeof r->url, text);
    return 0;
}

/* ---- all references ---- */

/* Lists the first catalogue names that begin with `text`, as "'a', 'b' or 'c'": "llama3" may
 * mean one of several. Empty when there is none. */
static void begin_alike(const char *text, struct buf *out)
{
    enum { SHOWN_MAX = 3, LETTERS_MIN = 3 };
    const char *found[SHOWN_MAX];
    size_t n = 0;
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL && n < SHOWN_MAX; e++)
        if (strlen(text) >= LETTERS_MIN && starts_with(e->name, text))
            found[n++] = e->name;
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s'%s'", i == 0 ? "" : i + 1 < n ? ", " : " or ", found[i]);
}

static int refuse_unknown(const char *text, struct fault *f)
{
    const char *names[CATALOGUE_MAX];
    size_t n = 0;
    struct buf alike = buf_max(512);
    int err;
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL && n < CATALOGUE_MAX; e++)
        names[n++] = e->name;
    begin_alike(text, &alike);
    const char *near = nearest_word(text, names, n);
    if (alike.n > 0)
        err = fault_set(f, ERR_NOT_FOUND, "no model '%s': did you mean %s?", show_path(text).text, buf_cstr(&alike));
    else if (near != NULL)
        err = fault_set(f, ERR_NOT_FOUND, "no model '%s': did you mean '%s'?", show_path(text).text, near);
    else
        err = fault_set(f, ERR_NOT_FOUND,
                        "no model '%s': give the path of a GGUF file, a name that 'manta models catalogue' lists, hf:owner/repo/file.gguf or "
                        "owner/repo:Q4_K_M", show_path(text).text);
    buf_fini(&alike);
    return err;
}

/* Returns the text behind a scheme of the hub, or NULL. */
static const char *behind_hub_scheme(const char *text, bool *out_page)
{
    static const char *const starts[] = {"hf://", "hf:", "huggingface://", "huggingface:", "hf.co/", "huggingface.co/"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        *out_page = i >= 4;
        if (starts_with(text, starts[i]))
            return text + strlen(starts[i]);
    }
    return NULL;
}

/* Recognises "owner/repo" or "owner/repo:Q4_K_M", as llama.cpp does: one slash, and no file
 * name. */
static bool looks_like_repository(const char *text)
{
    struct str rest = str_of(text);
    if (strchr("/.~", text[0]) != NULL || ends_with(rest, ".gguf"))
        return false;
    return is_plain(take(&rest, "/"), "._-") && str_take(&rest, '/') && is_plain(take(&rest, ":#"), "._-") && memchr(rest.p, '/', rest.n) == NULL;
}

static int parse(const char *text, struct reference *r, struct fault *f)
{
    bool page = false, secure = starts_with(text, "https://");
    const char *hub = behind_hub_scheme(text, &page);
    struct str all = str_of(hub != NULL ? hub : text);
    if (hub != NULL || secure || starts_with(text, "http://") || looks_like_repository(text)) {
        int err = take_sha256(&all, r, f);
        if (err != 0)
            return err;
        return secure || starts_with(text, "http://") ? parse_url(all, secure, r, f) : parse_hub(all, page, r, f);
    }
    const char *scheme = strstr(text, "://");
    if (scheme != NULL && is_plain(str_n(text, (size_t)(scheme - text)), "+.-"))
        return fault_set(f, ERR_UNSUPPORTED, "'%s': models come from hf:, https:// or a path", show_path(text).text);
    r->entry = reference_entry(text);
    if (r->entry != NULL) {
        r->kind = REFERENCE_ENTRY;
        snprintf(r->revision, sizeof r->revision, "%s", r->entry->revision);
        snprintf(r->file, sizeof r->file, "%s", r->entry->file);
        struct str rest = str_of(r->entry->hub);
        put(r->owner, sizeof r->owner, take(&rest, "/"));
        str_take(&rest, '/');
        put(r->repo, sizeof r->repo, rest);
        if (r->entry->sha256 != NULL)
            snprintf(r->sha256, sizeof r->sha256, "%s", r->entry->sha256);
        return 0;
    }
    if (strchr(text, '/') == NULL && !ends_with(all, ".gguf"))
        return refuse_unknown(text, f);
    r->kind = REFERENCE_PATH;
    put(r->url, sizeof r->url, all);
    return 0;
}

int reference_parse(const char *text, struct reference *out, struct fault *f)
{
    struct reference r = {0};
    size_t n = strlen(text);
    if (n == 0 || n > REFERENCE_BYTES_MAX)
        return fault_set(f, ERR_INVALID, "a model's name, path or address has 1 to %d bytes, this has %zu", REFERENCE_BYTES_MAX, n);
    int err = parse(text, &r, f);
    if (err == 0)
        *out = r;
    return err;
}
