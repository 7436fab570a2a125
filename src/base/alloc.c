#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

static void *or_die(void *p, size_t n)
{
    if (p == NULL)
        must_have_memory(n);
    return p;
}

void *xalloc(size_t n)
{
    return or_die(calloc(1, n != 0 ? n : 1), n);
}

void *xalloc_array(size_t n, size_t size)
{
    return or_die(calloc(n != 0 ? n : 1, size != 0 ? size : 1), size != 0 && n > SIZE_MAX / size ? SIZE_MAX : n * size);
}

void *xrealloc(void *p, size_t n)
{
    return or_die(realloc(p, n != 0 ? n : 1), n);
}

char *xstr_dup(struct str s)
{
    char *copy = or_die(malloc(s.n + 1), s.n + 1);
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

char *xstrdup(const char *s)
{
    return xstr_dup(str_of(s));
}
