/* A borrowed piece of text: pointer and length, not terminated.
 *
 * A function that returns one says how long the bytes live; nothing here frees them. */
#ifndef MANTA_BASE_STR_H
#define MANTA_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *p; /* borrowed; may be NULL only when n is 0 */
    size_t n;      /* bytes */
};

/* Arguments for "%.*s": printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).n, ((s).p != NULL ? (s).p : "")

/* Wraps a terminated string; empty for NULL. */
static inline struct str str_of(const char *cstr)
{
    return (struct str){.p = cstr, .n = cstr != NULL ? strlen(cstr) : 0};
}

/* Wraps n bytes at p, which stay the owner's. */
static inline struct str str_n(const char *p, size_t n)
{
    return (struct str){.p = p, .n = n};
}

/* Returns whether both have the same bytes. */
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* As str_eq(), for a secret that is not empty: the time depends on `given` only, not on how much
 * of it is right. */
static inline bool str_is_secret(struct str given, struct str secret)
{
    unsigned char differs = given.n != secret.n;
    for (size_t i = 0; i < given.n; i++)
        differs |= (unsigned char)(given.p[i] ^ secret.p[i % secret.n]);
    return differs == 0;
}
/* Returns whether a has the bytes of cstr. */
static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_of(cstr));
}

/* Returns whether a begins with the bytes of cstr. */
static inline bool str_begins(struct str a, const char *cstr)
{
    return a.n >= strlen(cstr) && str_is(str_n(a.p, strlen(cstr)), cstr);
}

/* Returns whether a contains the bytes of cstr, which is not empty. */
static inline bool str_holds(struct str a, const char *cstr)
{
    return a.n > 0 && memmem(a.p, a.n, cstr, strlen(cstr)) != NULL;
}

/* Returns what follows the first n bytes of a, which has as many. */
static inline struct str str_behind(struct str a, size_t n)
{
    return str_n(a.p + n, a.n - n);
}

/* Removes the first byte if it is c, else returns false. */
static inline bool str_take(struct str *a, char c)
{
    if (a->n == 0 || a->p[0] != c)
        return false;
    *a = str_behind(*a, 1);
    return true;
}

#endif
