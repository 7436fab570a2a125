/* How text lies on a terminal: the columns that characters take, and where a line is broken. */
#ifndef MANTA_BASE_CELLS_H
#define MANTA_BASE_CELLS_H

#include <stdbool.h>

#include "base/buf.h"

/* First thing in main(): letters of all scripts, also where the environment names no locale (ssh, containers, cron) or one of another
 * encoding: manta speaks UTF-8 and nothing else. Widths are those of ASCII without it. */
void cells_init(void);

/* Columns and lines of the terminal behind a descriptor: 80 and 24 where it does not say. */
unsigned cells_columns(int fd);
/* Rows of the terminal at fd; a usual number where it does not say. */
unsigned cells_rows(int fd);

/* Columns that a text takes which has no line ends and no escape sequences. */
size_t cells_of(struct str s);
/* The longest beginning of s that takes at most so many columns, in bytes. */
size_t cells_fit(struct str s, size_t columns);

/* Text that comes in pieces, broken between words. A word waits until it is whole, so nothing that is shown has to be taken back. */
struct wrap {
    unsigned columns;      /* of the terminal; may be changed at any time */
    unsigned indent;       /* blanks before each line that a break begins */
    unsigned at;           /* columns taken in the current line */
    unsigned blanks;       /* before the word */
    unsigned word_cells;
    struct buf word;       /* owned; not shown yet */
};
/* Begins a paragraph of lines of at most so many columns, each but the first indented. */
void wrap_init(struct wrap *w, unsigned columns, unsigned indent);
/* Appends what of it can be shown to `out`. Whole characters, harmless ones (plain.h): line ends and tabs are understood. */
void wrap_add(struct wrap *w, struct str piece, struct buf *out);
/* Appends the rest, and frees the memory; the wrap may be used again. */
void wrap_end(struct wrap *w, struct buf *out);
/* The same for a text that is whole, whose first line begins at column `at`. */
void wrap_text(struct str text, unsigned columns, unsigned indent, unsigned at, struct buf *out);

#endif
