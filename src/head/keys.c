#include "head/keys.h"

#include <stdlib.h>

#include "base/alloc.h"

static const char ADMIN[] = "[admin]";

/* Cuts the scope off: "anna[admin]" is anna with the admin scope. */
static struct str take_scope(struct str name, bool *admin)
{
    size_t n = sizeof ADMIN - 1;
    *admin = name.n >= n && memcmp(name.p + name.n - n, ADMIN, n) == 0;
    return *admin ? str_n(name.p, name.n - n) : name;
}

/* Splits "anna: KEY", "anna[admin]: KEY" or "KEY". */
static struct api_key split(struct str item)
{
    struct api_key key = {.key = item};
    for (size_t i = 0; i + 1 < item.n; i++) {
        if (item.p[i] != ':' || item.p[i + 1] != ' ')
            continue;
        key.name = take_scope(str_n(item.p, i), &key.admin);
        key.key = str_n(item.p + i + 2, item.n - i - 2);
        break;
    }
    return key;
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

/* True if the text can follow "Authorization: Bearer ". */
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
        return fault_set(f, ERR_USAGE, "--api-key: the name of key %u should be at most %d letters, digits and -_.@, with %s behind it "
                         "or nothing", place, KEY_NAME_BYTES_MAX, ADMIN);
    if (!is_key(key->key))
        return fault_set(f, ERR_USAGE, "--api-key: key %u%s%.*s should be 1 to %d printable characters, without blanks around it",
                         place, key->name.n > 0 ? " of " : "", STR_ARG(key->name), KEY_BYTES_MAX);
    for (uint32_t i = 0; i < k->n; i++) {
        if (str_eq(k->at[i].key, key->key))
            return fault_set(f, ERR_USAGE, "--api-key: keys %u and %u are the same", i + 1, place);
    }
    return 0;
}

static int compare(struct str a, struct str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* Finds each key's tenant, and grants the admin scope if no key is marked and all belong to one
 * tenant. */
static void sort_out(struct keys *k)
{
    bool marked = false;
    k->one_tenant = true;
    for (uint32_t i = 0; i < k->n; i++) {
        struct api_key *key = &k->at[i];
        key->tenant = i;
        for (uint32_t other = 0; other < k->n && key->name.n > 0; other++) {
            if (str_eq(k->at[other].name, key->name) && compare(k->at[other].key, k->at[key->tenant].key) < 0)
                key->tenant = other;
        }
        marked = marked || key->admin;
        k->one_tenant = k->one_tenant && key->tenant == k->at[0].tenant;
    }
    for (uint32_t i = 0; i < k->n && !marked && k->one_tenant; i++)
        k->at[i].admin = true;
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
            break;
        at += n + 1;
    }
    sort_out(k);
    return 0;
}

void keys_fini(struct keys *k)
{
    free(k->at);
    free(k->text);
    *k = (struct keys){0};
}

struct api_key *keys_find(const struct keys *k, struct str given)
{
    struct api_key *found = NULL;
    for (uint32_t i = 0; i < k->n; i++) {
        if (str_is_secret(given, k->at[i].key))
            found = &k->at[i];
    }
    return found;
}

const struct seal *keys_seal(const struct keys *k, const struct api_key *key)
{
    struct api_key *of = &k->at[key->tenant];
    if (!of->sealed)
        seal_of_key(of->key, &of->seal);
    of->sealed = true;
    return &of->seal;
}

struct str keys_own(const char *text)
{
    struct str own = str_n(NULL, 0);
    for (const char *at = text;;) {
        size_t n = strcspn(at, ",");
        struct api_key key = split(str_n(at, n));
        if (key.admin || own.p == NULL)
            own = key.key;
        if (key.admin || at[n] == '\0')
            return own;
        at += n + 1;
    }
}
