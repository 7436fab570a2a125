#include "head/keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

/* "anna: KEY" or "KEY"; the item ends at n. */
static struct api_key split(struct str item)
{
    for (size_t i = 0; i + 1 < item.n; i++) {
        if (item.p[i] == ':' && item.p[i + 1] == ' ')
            return (struct api_key){.name = str_n(item.p, i), .key = str_n(item.p + i + 2, item.n - i - 2)};
    }
    return (struct api_key){.key = item};
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '-' && c != '_' && c != '.' && c != '@')
            return false;
    }
    return s.n <= KEY_NAME_BYTES_MAX;
}

/* What can stand behind "Authorization: Bearer ". */
static bool is_key(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 32 || s.p[i] == 127)
            return false;
    }
    return s.n > 0 && s.n <= KEY_BYTES_MAX && s.p[0] != ' ' && s.p[s.n - 1] != ' ';
}

static int check(const struct keys *k, const struct api_key *key, struct fault *f)
{
    unsigned place = k->n + 1;
    if (!is_name(key->name))
        return fault_set(f, ERR_USAGE, "--api-key: the name of key %u should be at most %d letters, digits and -_.@", place,
                         KEY_NAME_BYTES_MAX);
    if (!is_key(key->key))
        return fault_set(f, ERR_USAGE, "--api-key: key %u%s%.*s should be 1 to %d printable characters, without blanks around it",
                         place, key->name.n > 0 ? " of " : "", STR_ARG(key->name), KEY_BYTES_MAX);
    for (uint32_t i = 0; i < k->n; i++) {
        if (str_eq(k->at[i].key, key->key))
            return fault_set(f, ERR_USAGE, "--api-key: keys %u and %u are the same", i + 1, place);
    }
    return 0;
}

int keys_parse(struct keys *k, const char *text, struct fault *f)
{
    *k = (struct keys){.text = xstrdup(text)};
    if (text[0] == '\0')
        return 0;
    k->at = xalloc_array(KEYS_MAX, sizeof *k->at);
    for (const char *at = k->text;;) {
        size_t n = strcspn(at, ",");
        struct api_key key = split(str_n(at, n));
        int err = k->n == KEYS_MAX ? fault_set(f, ERR_USAGE, "--api-key: more than %d keys", KEYS_MAX) : check(k, &key, f);
        if (err != 0) {
            keys_fini(k);
            return err;
        }
        k->at[k->n++] = key;
        if (at[n] == '\0')
            return 0;
        at += n + 1;
    }
}

void keys_fini(struct keys *k)
{
    free(k->at);
    free(k->text);
    *k = (struct keys){0};
}

static bool same(struct str given, struct str key)
{
    unsigned char differ = given.n != key.n;
    for (size_t i = 0; i < given.n; i++)
        differ |= (unsigned char)(given.p[i] ^ key.p[i % key.n]);
    return differ == 0;
}

const struct api_key *keys_find(const struct keys *k, struct str given)
{
    const struct api_key *found = NULL;
    for (uint32_t i = 0; i < k->n; i++) {
        if (same(given, k->at[i].key))
            found = &k->at[i];
    }
    return found;
}

struct str keys_first(const char *text)
{
    return split(str_n(text, strcspn(text, ","))).key;
}
