#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/must.h"

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = buf_max(b->max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->overflowed = false;
}

int buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max || b->n > b->max - n) {
        b->overflowed = true;
        return ERR_TOO_LARGE;
    }
    size_t need = b->n + n;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap != 0 ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    /* one spare byte beyond cap, for the terminator of buf_cstr() */
    b->p = xrealloc(b->p, cap + 1);
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *p, size_t n)
{
    int err = n <= b->cap - b->n ? 0 : buf_reserve(b, n);
    if (err != 0)
        return err;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

int buf_add_str(struct buf *b, struct str s)
{
    return buf_add(b, s.p, s.n);
}

int buf_puts(struct buf *b, const char *cstr)
{
    return buf_add(b, cstr, strlen(cstr));
}

int buf_put_uint(struct buf *b, uint64_t v)
{
    char digits[20], *end = digits + sizeof digits, *p = end;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return buf_add(b, p, (size_t)(end - p));
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    MUST(n >= 0);
    int err = 0;
    if ((size_t)n < sizeof small) {
        err = buf_add(b, small, (size_t)n);
    } else {
        err = buf_reserve(b, (size_t)n); /* the terminator has its spare byte */
        if (err == 0) {
            vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
            b->n += (size_t)n;
        }
    }
    va_end(again);
    return err;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int err = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return err;
}

void buf_consume(struct buf *b, size_t n)
{
    MUST(n <= b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
    if (b->p == NULL)
        return "";
    b->p[b->n] = '\0';
    return b->p;
}
