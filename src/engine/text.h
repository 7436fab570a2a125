/* Turn the bytes of tokens into text that can be sent: whole UTF-8 characters, without anything
 * that may become a stop string.
 *
 * The text released after n tokens depends only on these n tokens. A job that is resumed elsewhere
 * with the same tokens is therefore at the same byte, and nothing is sent twice. With
 * text_take_to() the caller chooses the position: positions count the bytes of the text from its
 * beginning, without a matched stop string and what follows it. */
#ifndef MANTA_ENGINE_TEXT_H
#define MANTA_ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    TEXT_STEP_BYTES_MAX = 64 * 1024, /* maximum text per step; a token has a few bytes */
};

/* A stop string, and how much of it the text ends with (Knuth-Morris-Pratt). */
struct text_stop {
    struct str s;       /* borrowed */
    uint16_t *fall;     /* owned; fall[i]: longest border of the first i bytes */
    uint16_t matched;   /* bytes of s that the text ends with */
};

struct text {
    struct text_stop *stops; /* owned */
    uint32_t stops_n;
    struct buf out;          /* characters not taken yet; its end may be the beginning of a stop string */
    size_t taken;            /* bytes of `out` that were handed out */
    uint64_t before;         /* bytes that were handed out and are no longer in `out` */
    uint8_t part[4];         /* an unfinished UTF-8 character */
    uint8_t part_n;
    bool ahead;              /* text that might have begun a stop string was handed out */
    bool stopped;            /* a stop string was matched; it and the text after it are dropped */
    struct str met;          /* the matched stop string, borrowed */
};

/* The stop strings are borrowed for the lifetime of t. Empty ones are ignored. */
void text_init(struct text *t, const struct str *stops, uint32_t stops_n);
/* Frees the contents. */
void text_fini(struct text *t);
/* Adds the bytes of one token. Bytes that are not UTF-8 become U+FFFD. Returns true once a stop
 * string was matched. */
bool text_add(struct text *t, struct str bytes);
/* Ends the answer: releases the text held back; an unfinished character becomes U+FFFD. */
void text_end(struct text *t);
/* Returns whether text_take() would hand out anything. */
bool text_waits(const struct text *t);
/* Returns the text that may be sent now and was not taken before; valid until the next call. */
struct str text_take(struct text *t);
/* Returns the position after the last whole character. */
uint64_t text_made(const struct text *t);
/* Returns the position up to which no stop string can begin any more. */
uint64_t text_sure(const struct text *t);
/* Returns the text before position `end` that was not taken before; `end` lies between characters. Valid until
 * the next call. If a stop string that begins before `end` is matched later, only its rest is cut
 * off. */
struct str text_take_to(struct text *t, uint64_t end);

#endif
