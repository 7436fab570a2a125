/* Lay out text on a terminal: measure its columns, break its lines. */
#ifndef MANTA_BASE_CELLS_H
#define MANTA_BASE_CELLS_H

#include <stdbool.h>

#include "base/buf.h"

/* Sets the character encoding to UTF-8, also where the environment names no locale (ssh,
 * containers, cron) or one of another encoding. Call it first in main(); without it, only ASCII
 * is measured correctly. */
void cells_init(void);

/* Returns the columns of the terminal at fd; 80 when the terminal does not say. */
unsigned cells_columns(int fd);
/* Returns the rows of the terminal at fd; 24 when the terminal does not say. */
unsigned cells_rows(int fd);

/* Returns the columns that a text without line ends and escape sequences takes. */
size_t cells_of(struct str s);
/* Returns the length in bytes of the longest beginning of s that fits into `columns`. */
size_t cells_fit(struct str s, size_t columns);

/* Breaks text that arrives in pieces between words. A word is held back until it is complete, so
 * nothing shown has to be taken back. */
struct wrap {
    unsigned columns;      /* of the terminal; may be changed at any time */
    unsigned indent;       /* blanks at the start of each continuation line */
    unsigned at;           /* columns taken in the current line */
    unsigned blanks;       /* pending blanks before the word */
    unsigned word_cells;
    struct buf word;       /* owned; the word that is not shown yet */
};
/* Begins a paragraph with lines of at most `columns`, each but the first indented. */
void wrap_init(struct wrap *w, unsigned columns, unsigned indent);
/* Takes the next piece of text and appends everything that can be shown already to `out`. The
 * piece must consist of whole, harmless characters (plain.h); line ends and tabs are understood. */
void wrap_add(struct wrap *w, struct str piece, struct buf *out);
/* Appends the rest to `out` and frees the memory. The wrap may be used again. */
void wrap_end(struct wrap *w, struct buf *out);
/* Breaks a complete text whose first line begins at column `at`. */
void wrap_text(struct str text, unsigned columns, unsigned indent, unsigned at, struct buf *out);

#endif
