#include "client/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cells.h"
#include "base/must.h"
#include "base/plain.h"
#include "client/show.h"

enum { GAP = 2, CELL_CELLS_MAX = 60 };

void table_init(struct table *t, const char *names)
{
    *t = (struct table){.text = buf_max(SIZE_MAX / 2)};
    for (const char *at = names; *at != '\0'; at += strspn(at, " ")) {
        MUST(t->columns < TABLE_COLUMNS_MAX);
        t->names[t->columns++] = at;
        at += strcspn(at, " ");
    }
}

void table_cell(struct table *t, const char *fmt, ...)
{
    struct buf cell = buf_max(4096);
    size_t before = t->text.n;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&cell, fmt, ap);
    va_end(ap);
    plain_add(&t->text, cell.n > 0 ? buf_str(&cell) : str_of("-"), PLAIN_LINE);
    t->text.n = before + cells_fit(str_n(t->text.p + before, t->text.n - before), CELL_CELLS_MAX);
    if (t->cells_n % 64 == 0)
        t->ends = xrealloc(t->ends, (t->cells_n + 64) * sizeof *t->ends);
    t->ends[t->cells_n++] = (uint32_t)t->text.n;
    buf_fini(&cell);
}

static struct str cell_at(const struct table *t, unsigned i)
{
    uint32_t from = i > 0 ? t->ends[i - 1] : 0;
    return str_n(t->text.p + from, t->ends[i] - from);
}

static struct str name_at(const struct table *t, unsigned column)
{
    return str_n(t->names[column], strcspn(t->names[column], " "));
}

/* Measures the columns. Returns how many fit. */
static unsigned measure(const struct table *t, unsigned widths[TABLE_COLUMNS_MAX], unsigned room)
{
    unsigned all = 0, fit = 0;
    for (unsigned c = 0; c < t->columns; c++) {
        widths[c] = (unsigned)cells_of(name_at(t, c));
        for (unsigned i = c; i < t->cells_n; i += t->columns) {
            unsigned width = (unsigned)cells_of(cell_at(t, i));
            widths[c] = width > widths[c] ? width : widths[c];
        }
        all += widths[c] + (c > 0 ? GAP : 0);
        if (all <= room || c == 0)
            fit = c + 1;
        else
            break;
    }
    return fit;
}

static const char *colour_of(struct str cell)
{
    static const struct { const char *word, *colour; } states[] = {
        {"ok", "32"},     {"ready", "32"},   {"running", "32"}, {"cordoned", "33"}, {"draining", "33"}, {"loading", "33"}, {"slow", "33"},
        {"queued", "33"}, {"lost", "31"},    {"hung", "31"},     {"failed", "31"},   {"ejected", "31"}, {"yes", "32"},
    };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        size_t n = strlen(states[i].word);
        if (cell.n >= n && memcmp(cell.p, states[i].word, n) == 0 && (cell.n == n || cell.p[n] == ' '))
            return states[i].colour;
    }
    return NULL;
}

static void write_cell(struct buf *out, struct str cell, unsigned width, bool last, const char *colour)
{
    if (colour != NULL)
        buf_printf(out, "\033[%sm%.*s\033[0m", colour, STR_ARG(cell));
    else
        buf_add_str(out, cell);
    for (size_t n = cells_of(cell); !last && n < width + GAP; n++)
        buf_putc(out, ' ');
}

void table_write(struct table *t, struct buf *out, unsigned indent, unsigned room)
{
    unsigned widths[TABLE_COLUMNS_MAX];
    bool colours = plain_takes_colours(STDOUT_FILENO);
    unsigned columns = measure(t, widths, room > indent ? room - indent : 1);
    MUST(t->cells_n % t->columns == 0);
    for (unsigned c = 0; c < columns; c++) {
        if (c == 0)
            buf_printf(out, "%*s%s", (int)indent, "", colours ? "\033[2m" : "");
        write_cell(out, name_at(t, c), widths[c], c + 1 == columns, NULL);
    }
    buf_printf(out, "%s\n", colours ? "\033[0m" : "");
    for (unsigned i = 0; i < t->cells_n; i += t->columns) {
        buf_printf(out, "%*s", (int)indent, "");
        for (unsigned c = 0; c < columns; c++)
            write_cell(out, cell_at(t, i + c), widths[c], c + 1 == columns, colours ? colour_of(cell_at(t, i + c)) : NULL);
        buf_putc(out, '\n');
    }
    free(t->ends);
    buf_fini(&t->text);
    *t = (struct table){0};
}

void table_end(struct table *t, unsigned indent, bool all)
{
    struct buf out = buf_max(SIZE_MAX / 2);
    table_write(t, &out, indent, show_on_terminal() && !all ? cells_columns(STDOUT_FILENO) : UINT32_MAX);
    fputs(buf_cstr(&out), stdout);
    buf_fini(&out);
}

struct table_size table_bytes(double bytes)
{
    struct table_size s = {""};
    const char *units = "KMGT";
    int unit = -1;
    for (; bytes >= 1000 && unit < 3; unit++)
        bytes /= 1024;
    if (unit < 0)
        snprintf(s.text, sizeof s.text, "%.0f", bytes);
    else
        snprintf(s.text, sizeof s.text, bytes < 9.95 ? "%.1f%c" : "%.0f%c", bytes, units[unit]);
    return s;
}

struct table_size table_age(double s)
{
    struct table_size t;
    if (s < 120)
        snprintf(t.text, sizeof t.text, s < 10 ? "%.1fs" : "%.0fs", s);
    else if (s < 7200)
        snprintf(t.text, sizeof t.text, "%.0fm", s / 60);
    else if (s < 172800)
        snprintf(t.text, sizeof t.text, "%.0fh", s / 3600);
    else
        snprintf(t.text, sizeof t.text, "%.0fd", s / 86400);
    return t;
}
