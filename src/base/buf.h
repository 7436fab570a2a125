/* A growing byte buffer that must be given a maximum.
 *
 * Appending past the maximum fails with ERR_TOO_LARGE, changes nothing, and is
 * remembered in `overflowed`, so a writer may append many times and check once. */
#ifndef MANTA_BASE_BUF_H
#define MANTA_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    char *p;         /* owned; NULL while nothing was ever appended */
    size_t n;        /* bytes in use */
    size_t cap;      /* bytes allocated */
    size_t max;      /* named limit of the caller; growth stops here */
    bool overflowed; /* an append was refused since the last buf_reset() */
};

/* An empty buffer of at most max bytes. */
static inline struct buf buf_max(size_t max)
{
    return (struct buf){.max = max};
}
/* Frees the bytes; the buffer is empty and usable again with the same maximum. */
void buf_fini(struct buf *b);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *b);
/* Room for n more bytes, or ERR_TOO_LARGE. */
int buf_reserve(struct buf *b, size_t n);
/* Appends n bytes, all or none. ERR_TOO_LARGE, and `overflowed`: the maximum would be passed. */
int buf_add(struct buf *b, const void *p, size_t n);
/* The same of a struct str. */
int buf_add_str(struct buf *b, struct str s);
/* The same of a terminated string. */
int buf_puts(struct buf *b, const char *cstr);
/* The same of one byte. */
int buf_putc(struct buf *b, char c);
/* The same of a formatted text. */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with the arguments as a list. */
int buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Drops the first n bytes (n <= b->n). */
void buf_consume(struct buf *b, size_t n);
/* The content as a terminated string, valid until the next change; "" when empty. */
const char *buf_cstr(struct buf *b);
/* The content, valid until the next change. */
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){.p = b->p, .n = b->n};
}

#endif
