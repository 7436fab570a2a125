/* A growing byte buffer that must be given a maximum.
 *
 * An append past the maximum fails with ERR_TOO_LARGE, changes nothing and sets `overflowed`, so a
 * writer may append many times and check once. */
#ifndef MANTA_BASE_BUF_H
#define MANTA_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    char *p;         /* owned; NULL until the first append */
    size_t n;        /* bytes in use */
    size_t cap;      /* bytes allocated, never more than max */
    size_t max;      /* the caller's named limit; growth stops here */
    bool overflowed; /* an append was refused since the last buf_reset() */
};

/* Returns an empty buffer of at most max bytes. */
static inline struct buf buf_max(size_t max)
{
    return (struct buf){.max = max};
}
/* Frees the bytes. The buffer is empty and usable again with the same maximum. */
void buf_fini(struct buf *b);
/* Empties the buffer and keeps its memory. */
void buf_reset(struct buf *b);
/* Makes room for n more bytes. Returns ERR_TOO_LARGE when the maximum would be passed. */
int buf_reserve(struct buf *b, size_t n);
/* Appends n bytes, all or none. Returns ERR_TOO_LARGE, and sets `overflowed`, when the maximum
 * would be passed. */
int buf_add(struct buf *b, const void *p, size_t n);
/* As buf_add(), for a struct str. */
int buf_add_str(struct buf *b, struct str s);
/* As buf_add(), for a terminated string. */
int buf_puts(struct buf *b, const char *cstr);
/* As buf_add(), for one byte. Inline: JSON has some forty single bytes per token of a stream. */
static inline int buf_putc(struct buf *b, char c)
{
    if (b->n >= b->cap)
        return buf_add(b, &c, 1);
    b->p[b->n++] = c;
    return 0;
}
/* As buf_add(), for a number in decimal digits. */
int buf_put_uint(struct buf *b, uint64_t v);
/* As buf_add(), for formatted text. */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As buf_printf(), with the arguments as a va_list. */
int buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Drops the first n bytes (n <= b->n). */
void buf_consume(struct buf *b, size_t n);
/* Returns the content as a terminated string, valid until the next change; "" when empty. */
const char *buf_cstr(struct buf *b);
/* Returns the content, valid until the next change. */
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){.p = b->p, .n = b->n};
}

#endif
