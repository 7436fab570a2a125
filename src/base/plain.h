/* Make strangers' text harmless for terminals and log lines.
 *
 * It removes control characters, also those above 0x7f, which a terminal would obey; bidirectional
 * controls, which would reorder the text shown; and bytes that are not UTF-8. */
#ifndef MANTA_BASE_PLAIN_H
#define MANTA_BASE_PLAIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"

enum plain_how {
    PLAIN_TEXT, /* lines and tabs stay; a carriage return, which would overwrite the line, is removed */
    PLAIN_LINE, /* one line: line ends, tabs and carriage returns become blanks */
};

/* Returns whether s is one line of UTF-8 in which every character is harmless. */
bool plain_is_line(struct str s);
/* Appends s, with U+FFFD in place of each harmful character. */
void plain_add(struct buf *out, struct str s, enum plain_how how);
/* As PLAIN_LINE, in place, with '?' instead of U+FFFD, so that the text never grows; ASCII
 * control characters become blanks. Returns the new length. */
size_t plain_in_place(char *text, size_t n);
/* Appends JSON text with harmful characters escaped (\u009b), so that its meaning is unchanged. */
void plain_add_json(struct buf *out, struct str json);
/* Prints the formatted arguments as one line, with a line end. */
void plain_print(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same; on a terminal broken between words, further lines as far from the left as the first. */
void plain_wrapped(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with arguments that a caller has collected. */
void plain_vwrapped(FILE *to, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

/* Prints "error: " and the formatted arguments as one line to stderr; on a terminal in colour, and
 * broken between words. */
void plain_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Returns whether escape sequences may be written to fd: a terminal that knows them (TERM). */
bool plain_takes_escapes(int fd);
/* Returns whether, in addition, colours are wanted (NO_COLOR). */
bool plain_takes_colours(int fd);

#endif
