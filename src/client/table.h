/* A table for people: columns as wide as what is in them; those on the right are left out where the terminal is too narrow. Private to the room. */
#ifndef MANTA_CLIENT_TABLE_H
#define MANTA_CLIENT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 24 };

struct table {
    const char *names[TABLE_COLUMNS_MAX]; /* borrowed */
    unsigned columns, cells_n;
    uint32_t *ends;                       /* owned: of each cell in `text` */
    struct buf text;                      /* owned: all cells, one behind the other */
};

/* "WORKER STATE MODEL": names with blanks between; the first ones matter most. The text must outlive the table. */
void table_init(struct table *t, const char *names);
/* The next cell, row by row; an empty one is shown as "-". What it says is made harmless. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints it on stdout, each line after `indent` blanks, words of state in colour on a terminal, and frees it. `all`: no column is left out. */
void table_end(struct table *t, unsigned indent, bool all);

/* The same into a text, for a screen of so many columns. */
void table_write(struct table *t, struct buf *out, unsigned indent, unsigned room);

/* "1.2G", "488M", "0": short enough for a column. */
struct table_size { char text[16]; };
struct table_size table_bytes(double bytes);
/* "41s", "12m", "3h", "5d". */
struct table_size table_age(double seconds);

#endif
