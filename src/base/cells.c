#include "base/cells.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "base/utf8.h"

enum { COLUMNS = 80, ROWS = 24, TAB = 8, COLUMNS_MIN = 20 };

void cells_init(void)
{
    static const char *const fallbacks[] = {"C.UTF-8", "C.utf8", "en_US.UTF-8"};
    setlocale(LC_CTYPE, "");
    for (size_t i = 0; i < sizeof fallbacks / sizeof fallbacks[0] && strcmp(nl_langinfo(CODESET), "UTF-8") != 0; i++)
        setlocale(LC_CTYPE, fallbacks[i]);
}

unsigned cells_columns(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

unsigned cells_rows(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : ROWS;
}

/* Returns the width of the character at p, whose length in bytes is *out_len. */
static size_t width_at(const char *p, size_t n, size_t *out_len)
{
    size_t len = utf8_len(p, n);
    *out_len = len > 0 ? len : 1;
    int width = len > 1 ? wcwidth((wchar_t)utf8_code(p, len)) : 1;
    return width >= 0 ? (size_t)width : 1;
}

size_t cells_of(struct str s)
{
    size_t cells = 0;
    for (size_t i = 0, len; i < s.n; i += len)
        cells += width_at(s.p + i, s.n - i, &len);
    return cells;
}

size_t cells_fit(struct str s, size_t columns)
{
    size_t i = 0, cells = 0;
    for (size_t len; i < s.n; i += len) {
        cells += width_at(s.p + i, s.n - i, &len);
        if (cells > columns)
            break;
    }
    return i;
}

/* ---- breaking lines ---- */

void wrap_init(struct wrap *w, unsigned columns, unsigned indent)
{
    *w = (struct wrap){.columns = columns, .indent = indent, .word = buf_max(SIZE_MAX / 2)};
}

static void add_blanks(struct buf *out, unsigned n)
{
    for (; n > 0; n--)
        buf_putc(out, ' ');
}

static unsigned columns_of(const struct wrap *w)
{
    return w->columns > COLUMNS_MIN ? w->columns : COLUMNS_MIN;
}

static void break_line(struct wrap *w, struct buf *out)
{
    buf_putc(out, '\n');
    add_blanks(out, w->indent);
    w->at = w->indent;
    w->blanks = 0;
}

static void show_word(struct wrap *w, struct buf *out)
{
    if (w->word.n == 0)
        return;
    if (w->at > w->indent && w->at + w->blanks + w->word_cells > columns_of(w))
        break_line(w, out);
    add_blanks(out, w->blanks);
    buf_add(out, w->word.p, w->word.n);
    w->at += w->blanks + w->word_cells;
    w->blanks = w->word_cells = 0;
    buf_reset(&w->word);
}

static void add_character(struct wrap *w, const char *p, size_t len, size_t width, struct buf *out)
{
    if (width == 2)
        show_word(w, out); /* scripts without blanks break anywhere */
    if (w->word_cells + width + w->indent > columns_of(w))
        show_word(w, out); /* a word longer than a line */
    buf_add(&w->word, p, len);
    w->word_cells += (unsigned)width;
}

void wrap_add(struct wrap *w, struct str piece, struct buf *out)
{
    for (size_t i = 0, len; i < piece.n; i += len) {
        size_t width = width_at(piece.p + i, piece.n - i, &len);
        char c = piece.p[i];
        if (c == '\n') {
            show_word(w, out);
            w->blanks = w->at = 0;
            buf_putc(out, '\n');
        } else if (c == ' ' || c == '\t') {
            show_word(w, out);
            w->blanks += c == ' ' ? 1 : TAB - (w->at + w->blanks) % TAB;
        } else {
            add_character(w, piece.p + i, len, width, out);
        }
    }
}

void wrap_end(struct wrap *w, struct buf *out)
{
    show_word(w, out);
    buf_fini(&w->word);
    w->at = w->blanks = 0;
}

void wrap_text(struct str text, unsigned columns, unsigned indent, unsigned at, struct buf *out)
{
    struct wrap w;
    wrap_init(&w, columns, indent);
    w.at = at;
    wrap_add(&w, text, out);
    wrap_end(&w, out);
}
