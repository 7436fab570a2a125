/* Text of strangers made harmless where people read it: terminals, log lines.
 *
 * What a terminal obeys (control characters, also those above 0x7f), what turns the reading direction (bidirectional
 * controls: text would show in another order than it has) and what is no UTF-8 does not get through. */
#ifndef MANTA_BASE_PLAIN_H
#define MANTA_BASE_PLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"

enum plain_how {
    PLAIN_TEXT, /* lines and tabs stay; a carriage return, which would write over the line, is left out */
    PLAIN_LINE, /* one line: blanks stand for them */
};

/* One line as it is: UTF-8, and every character of it would get through. */
bool plain_is_line(struct str s);
/* Appends s; U+FFFD stands for each character that must not get through. */
void plain_add(struct buf *out, struct str s, enum plain_how how);
/* PLAIN_LINE in place, with '?' instead of U+FFFD, so that it only gets shorter. Returns its new length. */
size_t plain_in_place(char *text, size_t n);
/* Appends JSON text; characters that must not get through are escaped (\u009b), so that it means the same. */
void plain_add_json(struct buf *out, struct str json);
/* Prints one line made of the arguments, and its end. */
void plain_print(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* May escape sequences be written there: is it a terminal, and one that knows them (TERM)? */
bool plain_takes_escapes(int fd);
/* … and colours are wanted (NO_COLOR). */
bool plain_takes_colours(int fd);

#endif
