/* Turn the bytes of tokens into text that can be sent: whole UTF-8 characters, nothing that may yet be a stop string.
 *
 * What is released after n tokens depends on those n tokens alone. A job that is resumed elsewhere with the same tokens
 * therefore stands at the same byte, and nothing is sent twice. With text_take_to() the caller chooses where it stands:
 * positions count the bytes of the text from its beginning, without a met stop string and what follows it. */
#ifndef MANTA_ENGINE_TEXT_H
#define MANTA_ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    TEXT_STEP_BYTES_MAX = 64 * 1024, /* text one step may add; a token has a few bytes */
};

/* One stop string, and how much of it the text ends with (Knuth-Morris-Pratt). */
struct text_stop {
    struct str s;       /* borrowed */
    uint16_t *fall;     /* owned; fall[i]: longest border of the first i bytes */
    uint16_t matched;   /* bytes of s that the text ends with */
};

struct text {
    struct text_stop *stops; /* owned */
    uint32_t stops_n;
    struct buf out;          /* characters not taken yet; the end of it may begin a stop string */
    size_t taken;            /* bytes of `out` that were handed out */
    uint64_t before;         /* bytes that were handed out and are no longer in `out` */
    uint8_t part[4];         /* an unfinished UTF-8 character */
    uint8_t part_n;
    bool ahead;              /* text was handed out that might have begun a stop string */
    bool stopped;            /* a stop string was met; it and what follows is not part of the text */
    struct str met;          /* that stop string, borrowed */
};

/* The stop strings are borrowed for the life of t. Empty ones are ignored. */
void text_init(struct text *t, const struct str *stops, uint32_t stops_n);
/* Frees what it holds back. */
void text_fini(struct text *t);
/* Adds the bytes of one token. Bytes that are not UTF-8 become U+FFFD. Returns true once a stop string was met. */
bool text_add(struct text *t, struct str bytes);
/* The answer is over: releases what was held back; an unfinished character becomes U+FFFD. */
void text_end(struct text *t);
/* Is there anything that text_take() would hand out? */
bool text_waits(const struct text *t);
/* What may be sent now and was not taken before; valid until the next call. */
struct str text_take(struct text *t);
/* The position behind the last whole character. */
uint64_t text_made(const struct text *t);
/* The position up to which no stop string can begin any more. */
uint64_t text_sure(const struct text *t);
/* What was not taken before position `end`, which lies between characters; valid until the next call. Of a stop string that
 * begins before `end` only the rest is cut off once it is met. */
struct str text_take_to(struct text *t, uint64_t end);

#endif
