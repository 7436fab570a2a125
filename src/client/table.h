/* Tables for people: columns as wide as their content; a narrow terminal drops columns from the
 * right. Private to the room. */
#ifndef MANTA_CLIENT_TABLE_H
#define MANTA_CLIENT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 24 };

struct table {
    const char *names[TABLE_COLUMNS_MAX]; /* borrowed */
    unsigned columns, cells_n;
    uint32_t *ends;                       /* owned: end of each cell in `text` */
    struct buf text;                      /* owned: all cells, concatenated */
};

/* Begins a table: "WORKER STATE MODEL", names separated by blanks, the most important first. The
 * text must outlive the table. */
void table_init(struct table *t, const char *names);
/* Adds the next cell, row by row; an empty one is shown as "-". The text is made safe to print. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints the table on stdout, indented, with coloured states on a terminal, and frees it. `all`:
 * drop no columns. */
void table_end(struct table *t, unsigned indent, bool all);

/* Writes the table into a text instead, for a screen of `room` columns, and frees it. */
void table_write(struct table *t, struct buf *out, unsigned indent, unsigned room);

/* Formats a size for a column: "1.2G", "488M", "0". */
struct table_size { char text[16]; };
struct table_size table_bytes(double bytes);
/* Formats an age: "4.2s", "41s", "12m", "3h", "5d". */
struct table_size table_age(double seconds);

#endif
