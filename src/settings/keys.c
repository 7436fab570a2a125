/* Read keys from files, which keeps them out of command lines and the environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "os/file.h"
#include "settings/settings.h"

enum { KEY_FILE_BYTES_MAX = 128 << 10, KEY_LINE_BYTES_MAX = 511 };

/* A setting that can be given in a file of its own. */
struct secret {
    enum setting_id key, file;
    const char *flag; /* of `file` */
    bool several;     /* each "name: key" line is a key */
};

static struct str trim(struct str s)
{
    while (s.n > 0 && strchr(" \t\r", s.p[s.n - 1]) != NULL)
        s.n--;
    while (s.n > 0 && strchr(" \t", s.p[0]) != NULL)
        s = str_n(s.p + 1, s.n - 1);
    return s;
}

static bool is_named(struct str line)
{
    const char *colon = memchr(line.p, ':', line.n);
    return line.n > 0 && colon != NULL && colon > line.p && colon + 2 < line.p + line.n && colon[1] == ' ';
}

static struct str next_line(const char **at)
{
    size_t n = strcspn(*at, "\n");
    struct str line = str_n(*at, n);
    *at += n + ((*at)[n] == '\n');
    return line;
}

/* Turns lines "anna: KEY" into "anna: KEY,ben: KEY"; skips blank lines and lines that begin with
 * #. */
static int read_list(const struct secret *x, const char *path, const char *text, struct buf *out, struct fault *f)
{
    unsigned number = 1;
    for (const char *at = text; *at != '\0'; number++) {
        struct str line = trim(next_line(&at));
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (!is_named(line) || memchr(line.p, ',', line.n) != NULL || line.n > 2 * KEY_LINE_BYTES_MAX)
            return fault_set(f, ERR_USAGE, "--%s: line %u of '%.200s' should be 'name: key', without a comma", x->flag, number, path);
        buf_printf(out, "%s%.*s", out->n > 0 ? "," : "", STR_ARG(line));
    }
    return 0;
}

/* Reads a file of one key, which is its first line. */
static int read_one(const struct secret *x, const char *path, const char *text, struct buf *out, struct fault *f)
{
    struct str line = str_n(text, strcspn(text, "\r\n"));
    if (line.n == 0 || line.n > KEY_LINE_BYTES_MAX)
        return fault_set(f, ERR_USAGE, "--%s: the first line of '%.200s' should be the key, at most %d bytes%s", x->flag, path,
                         KEY_LINE_BYTES_MAX, x->several ? "; or all lines 'name: key'" : "");
    buf_add_str(out, line);
    return 0;
}

static int read_file(const struct secret *x, const char *path, struct buf *out, struct fault *f)
{
    FILE *in = file_open_text(path);
    if (in == NULL)
        return fault_set(f, ERR_USAGE, "--%s: cannot read '%.200s': %m", x->flag, path);
    char *text = xalloc(KEY_FILE_BYTES_MAX + 2);
    size_t n = fread(text, 1, KEY_FILE_BYTES_MAX + 1, in);
    int err = ferror(in) ? fault_set(f, ERR_USAGE, "--%s: cannot read '%.200s': %m", x->flag, path) : 0;
    fclose(in);
    const char *keys = utf8_unmarked(str_n(text, n)).p, *at = keys;
    struct str first = trim(next_line(&at));
    if (err != 0)
        ;
    else if (n > KEY_FILE_BYTES_MAX || memchr(text, '\0', n) != NULL)
        err = fault_set(f, ERR_USAGE, "--%s: '%.200s' should be text of at most %d bytes", x->flag, path, KEY_FILE_BYTES_MAX);
    else if (x->several && (is_named(first) || (first.n > 0 && first.p[0] == '#')))
        err = read_list(x, path, keys, out, f);
    else
        err = read_one(x, path, keys, out, f);
    free(text);
    return err;
}

static int put(struct settings *s, const struct secret *x, struct fault *f)
{
    const struct setting_value *from = &s->values[x->file];
    if (from->text[0] == '\0' || (s->values[x->key].text[0] != '\0' && s->values[x->key].source >= from->source))
        return 0;
    struct buf value = buf_max(2 * KEY_FILE_BYTES_MAX);
    int err = read_file(x, from->text, &value, f);
    if (err == 0 && value.n == 0)
        err = fault_set(f, ERR_USAGE, "--%s: there is no key in '%.200s'", x->flag, from->text);
    if (err == 0)
        err = setting_put(s, x->key, buf_cstr(&value), from->source, x->flag, f);
    buf_fini(&value);
    return err;
}

int settings_read_keys(struct settings *s, unsigned uses, struct fault *f)
{
    static const struct secret secrets[] = {
        {SET_API_KEY, SET_API_KEY_FILE, "api-key-file", true},
        {SET_JOIN_TOKEN, SET_JOIN_TOKEN_FILE, "join-token-file", false},
    };
    int err = 0;
    for (size_t i = 0; err == 0 && i < sizeof secrets / sizeof secrets[0]; i++) {
        if ((setting_uses(secrets[i].file) & uses) != 0)
            err = put(s, &secrets[i], f);
    }
    return err;
}

bool settings_hide_keys(int argc, char **argv)
{
    static const char *const flags[] = {"--api-key", "--join-token"};
    bool any = false;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        size_t n = strcspn(argv[i], "=");
        char *value = NULL;
        for (size_t k = 0; k < sizeof flags / sizeof flags[0]; k++) {
            if (strlen(flags[k]) == n && strncmp(argv[i], flags[k], n) == 0)
                value = argv[i][n] == '=' ? argv[i] + n + 1 : i + 1 < argc ? argv[++i] : NULL;
            if (value != NULL)
                break;
        }
        if (value != NULL)
            memset(value, 'x', strlen(value));
        any = any || value != NULL;
    }
    return any;
}
