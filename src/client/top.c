/* `manta top`: a full screen, redrawn every second: workers with their slots and speeds, and
 * waiting and running requests.
 *
 * The happy path: the terminal's alternate screen -> fetch status and requests -> draw -> a key or
 * a second -> … -> q restores the terminal. It can fail by: no terminal (one page, as `manta
 * status`), a head that does not answer (reported in the first line; top continues). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cells.h"
#include "base/clock.h"
#include "base/plain.h"
#include "client/fetch.h"
#include "client/rows.h"
#include "client/show.h"

enum { EVERY_MS = 1000, BAR_CELLS = 20, BAR_SIDES = 11, WIDE_COLUMNS = 80, KEYS = 16, PATIENCE_MS = 5000, CTRL_C = 3, CTRL_Z = 26 };

struct rate {
    double id, tokens, per_s;
};

struct top {
    struct client_options o;
    json_t *status, *requests;    /* owned; as they came last */
    struct fault fault;           /* owned; the last ones received */
    struct rate *rates;           /* owned; one per worker */
    size_t rates_n;
    uint64_t fetched_us;
    double tokens_per_s;          /* of all workers, now */
    unsigned scroll;
    bool colours, quit;
    struct termios before;
};

static volatile sig_atomic_t ended;

static void on_end(int signum)
{
    (void)signum;
    ended = 1;
}

/* Interrupts the wait for a key: the next drawing has the new size. */
static void on_resize(int signum)
{
    (void)signum;
}

/* ---- the terminal ---- */

static void enter(struct top *t)
{
    struct termios raw;
    tcgetattr(STDIN_FILENO, &t->before);
    raw = t->before;
    raw.c_lflag &= (tcflag_t)~(ICANON | ECHO | ISIG);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    fputs("\033[?1049h\033[?25l", stdout);
    fflush(stdout);
}

static void leave(const struct top *t)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &t->before);
}

/* ---- data ---- */

static double old_tokens(const struct top *t, double id, double otherwise)
{
    for (size_t i = 0; i < t->rates_n; i++)
        if (t->rates[i].id == id)
            return t->rates[i].tokens;
    return otherwise;
}

/* Counts tokens of unfinished answers, which an actor's own count lacks. */
static double running_tokens(const struct top *t, const char *node)
{
    size_t i;
    json_t *r;
    double tokens = 0;
    json_array_foreach(json_object_get(t->requests, "request_list"), i, r)
        tokens += strcmp(json_text(r, "node", ""), node) == 0 ? json_num(r, "tokens") : 0;
    return tokens;
}

static void measure(struct top *t, uint64_t now_us)
{
    size_t i;
    json_t *w;
    const json_t *list = json_object_get(t->status, "worker_nodes");
    double seconds = (double)(now_us - t->fetched_us) / 1e6;
    struct rate *fresh = xalloc_array(json_array_size(list) + 1, sizeof *fresh);
    t->tokens_per_s = 0;
    json_array_foreach(list, i, w) {
        struct rows_worker all = rows_sum_up(t->status, w);
        double id = json_num(w, "id"), tokens = all.tokens + running_tokens(t, json_text(w, "node", ""));
        double more = tokens - old_tokens(t, id, tokens);
        fresh[i] = (struct rate){id, tokens, seconds > 0 && more > 0 ? more / seconds : 0};
        t->tokens_per_s += fresh[i].per_s;
        buf_fini(&all.models);
    }
    free(t->rates);
    t->rates = fresh;
    t->rates_n = json_array_size(list);
    t->fetched_us = now_us;
}

static void fetch_all(struct top *t)
{
    json_t *status = NULL, *requests = NULL;
    t->fault = (struct fault){0};
    if (fetch_json(&t->o, "/manta/status", NULL, &status, NULL, &t->fault) == 0)
        (void)fetch_json(&t->o, "/manta/requests", NULL, &requests, NULL, &t->fault);
    if (status != NULL) {
        json_make_plain(status, true);
        json_decref(t->status);
        t->status = status;
    }
    if (requests != NULL) {
        json_make_plain(requests, true);
        json_decref(t->requests);
        t->requests = requests;
        measure(t, clock_us());
    }
}

/* ---- the screen ---- */

static void add_bar(struct buf *out, const struct top *t, unsigned cells, const char *name, double part, double whole)
{
    unsigned full = whole > 0 && part > 0 ? (unsigned)(part / whole * cells + 0.5) : 0;
    full = full > cells ? cells : full;
    const char *colour = full * 4 >= cells * 3 ? "31" : full * 2 >= cells ? "33" : "32";
    buf_printf(out, "%-7s [", name);
    if (t->colours)
        buf_printf(out, "\033[%sm", colour);
    for (unsigned i = 0; i < cells; i++)
        buf_putc(out, i < full ? '|' : ' ');
    buf_printf(out, "%s] ", t->colours ? "\033[0m" : "");
}

/* Adds a part of a line if all of it fits into the columns that are left. */
__attribute__((format(printf, 3, 4))) static void add_part(struct buf *out, unsigned *left, const char *fmt, ...)
{
    struct buf part = buf_max(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&part, fmt, ap);
    va_end(ap);
    size_t cells = cells_of(buf_str(&part));
    if (cells <= *left)
        buf_add_str(out, buf_str(&part));
    *left -= cells <= *left ? (unsigned)cells : *left;
    buf_fini(&part);
}

/* The first line, its parts by importance: a narrow window has no room for all. */
static void add_title(struct buf *out, const struct top *t, unsigned columns)
{
    const json_t *head = json_object_get(t->status, "head");
    buf_printf(out, "manta %s at %s", json_text(head, "version", "?"), t->o.head); /* cut, if even that is too long */
    size_t used = cells_of(buf_str(out));
    columns = used < columns ? columns - (unsigned)used : 0;
    if (t->fault.err != 0)
        buf_printf(out, "   NO ANSWER: %s", t->fault.text);
    add_part(out, &columns, "   workers %.0f", json_num(t->status, "workers"));
    add_part(out, &columns, "   actors %.0f ready", json_num(t->status, "actors"));
    add_part(out, &columns, "   up %s", table_age(json_num(head, "uptime_s")).text);
    add_part(out, &columns, "   head %s", table_bytes(json_num(head, "rss_bytes")).text);
    buf_putc(out, '\n');
}

static void add_work(struct buf *out, const struct top *t, unsigned left)
{
    double calls = json_num(t->status, "calls_total");
    add_part(out, &left, "   queue %.0f", json_num(t->status, "queued"));
    add_part(out, &left, "   %.0f tokens/s", t->tokens_per_s);
    add_part(out, &left, "   %.0f request%s so far", calls, calls == 1 ? "" : "s");
    add_part(out, &left, ", %.0f failed", json_num(t->status, "calls_failed"));
    add_part(out, &left, ", %.0f moved", json_num(t->status, "jobs_rerouted"));
    buf_putc(out, '\n');
}

/* Sums a member of all elements of a list of the status. */
static double sum_of(const struct top *t, const char *list, const char *member)
{
    size_t i;
    json_t *one;
    double sum = 0;
    json_array_foreach(json_object_get(t->status, list), i, one)
        sum += json_num(one, member);
    return sum;
}

static void add_slots(struct buf *out, const struct top *t, unsigned bar, unsigned left)
{
    size_t i;
    json_t *a;
    double busy = 0, slots = 0;
    json_array_foreach(json_object_get(t->status, "actor_list"), i, a) {
        busy += json_num(a, "in_flight");
        slots += rows_ready(a) ? json_num(a, "slots") : 0;
    }
    add_bar(out, t, bar, "slots", busy, slots);
    add_part(out, &left, "%.0f of %.0f", busy, slots);
    add_work(out, t, left);
}

/* Also the prompts that actors keep beside their slots, once there are any. */
static void add_memory(struct buf *out, const struct top *t, unsigned bar, unsigned left)
{
    double used = sum_of(t, "worker_nodes", "rss_bytes"), memory = sum_of(t, "worker_nodes", "memory_bytes");
    double kept = sum_of(t, "actor_list", "prefixes"), restored = sum_of(t, "actor_list", "tokens_restored");
    add_bar(out, t, bar, "memory", used, memory);
    add_part(out, &left, "%s of %s", table_bytes(used).text, table_bytes(memory).text);
    if (kept > 0 || restored > 0) {
        add_part(out, &left, "   kept prompts %.0f", kept);
        add_part(out, &left, ", %s", table_bytes(sum_of(t, "actor_list", "prefix_bytes")).text);
        add_part(out, &left, ", %.0f tokens restored", restored);
    }
    buf_puts(out, "\n\n");
}

static void add_head(struct buf *out, const struct top *t, unsigned columns)
{
    unsigned bar = columns >= WIDE_COLUMNS ? BAR_CELLS : BAR_CELLS / 2, left = columns > bar + BAR_SIDES ? columns - bar - BAR_SIDES : 0;
    add_title(out, t, columns);
    add_slots(out, t, bar, left);
    add_memory(out, t, bar, left);
}

static double rate_of(const struct top *t, double id)
{
    for (size_t i = 0; i < t->rates_n; i++)
        if (t->rates[i].id == id)
            return t->rates[i].per_s;
    return 0;
}

/* Draws at most `room` lines, including the header. */
static void add_workers(struct buf *out, struct top *t, unsigned columns, unsigned room)
{
    struct table table;
    size_t i, shown = 0;
    json_t *w, *sorted = rows_by_name(json_object_get(t->status, "worker_nodes"));
    size_t n = json_array_size(sorted), lines = room > 2 ? room - 2 : 1;
    t->scroll = n > lines && t->scroll > n - lines ? (unsigned)(n - lines) : n <= lines ? 0 : t->scroll;
    table_init(&table, "NOW " ROWS_WORKER);
    json_array_foreach(sorted, i, w) {
        if (i < t->scroll || shown >= lines)
            continue;
        struct rows_worker all = rows_sum_up(t->status, w);
        table_cell(&table, "%.0f", rate_of(t, json_num(w, "id")));
        rows_worker(&table, w, &all);
        buf_fini(&all.models);
        shown++;
    }
    table_write(&table, out, 0, columns);
    if (n > lines)
        buf_printf(out, "(%u to %zu of %zu; j and k scroll)\n", t->scroll + 1, t->scroll + shown, n);
    json_decref(sorted);
}

static void add_request(struct table *t, const json_t *r)
{
    double place = json_num(r, "place"), eta = json_num(r, "eta_s");
    table_cell(t, "%s", json_text(r, "id", "?"));
    table_cell(t, "%s", json_text(r, "state", "?"));
    table_cell(t, place > 0 ? "%.0f" : "", place);
    table_cell(t, "%.0f", json_num(r, "tokens"));
    table_cell(t, "%s", table_age(json_num(r, "age_s")).text);
    table_cell(t, "%s", json_text(r, "node", ""));
    table_cell(t, "%s", json_text(r, "model", ""));
    table_cell(t, eta > 0 ? "%.1fs" : "", eta);
    table_cell(t, "%s", json_text(r, "tenant", ""));
}

static void add_requests(struct buf *out, const struct top *t, unsigned columns, unsigned room)
{
    struct table table;
    size_t i;
    json_t *r;
    const json_t *list = json_object_get(t->requests, "request_list");
    if (room < 4)
        return;
    buf_printf(out, "\nrequests: %.0f running, %.0f queued%s\n", json_num(t->requests, "running"), json_num(t->requests, "queued"),
               json_array_size(list) == 0 ? "" : ":");
    if (json_array_size(list) == 0)
        return;
    table_init(&table, "REQUEST STATE PLACE TOKENS AGE WORKER MODEL ETA TENANT");
    json_array_foreach(list, i, r) {
        if (i + 3 >= room)
            break;
        add_request(&table, r);
    }
    table_write(&table, out, 0, columns);
}

/* Returns the bytes of a line that fit; escape sequences take no column. */
static size_t fit(struct str line, unsigned columns)
{
    size_t i = 0, used = 0;
    while (i < line.n && used < columns) {
        size_t end = i;
        if (line.p[i] == '\033') {
            while (end < line.n && line.p[end] != 'm')
                end++;
            i = end < line.n ? end + 1 : line.n;
            continue;
        }
        while (end < line.n && line.p[end] != '\033')
            end++;
        size_t part = cells_fit(str_n(line.p + i, end - i), columns - used);
        used += cells_of(str_n(line.p + i, part));
        i += part;
        if (part < end - (i - part))
            break;
    }
    return i;
}

/* Draws the lines of `rest` that fit, and below them the keys. */
static void paint(struct buf *screen, const struct top *t, struct str rest, unsigned columns, unsigned rows)
{
    buf_puts(screen, "\033[H");
    for (unsigned line = 0; line + 1 < rows; line++) {
        size_t n = rest.n > 0 && memchr(rest.p, '\n', rest.n) != NULL ? (size_t)((const char *)memchr(rest.p, '\n', rest.n) - rest.p) : rest.n;
        buf_add(screen, rest.p, fit(str_n(rest.p, n), columns));
        buf_puts(screen, t->colours ? "\033[0m\033[K\n" : "\033[K\n");
        rest = n < rest.n ? str_n(rest.p + n + 1, rest.n - n - 1) : str_n(NULL, 0);
    }
    static const char keys[] = "q quits, j and k scroll; NOW: tokens/s in the last second";
    buf_add(screen, keys, fit(str_of(keys), columns - 1));
    buf_puts(screen, "\033[K");
}

static void draw(struct top *t)
{
    struct buf out = buf_max(SIZE_MAX / 2), screen = buf_max(SIZE_MAX / 2);
    unsigned columns = cells_columns(STDOUT_FILENO), rows = cells_rows(STDOUT_FILENO);
    size_t queue = json_array_size(json_object_get(t->requests, "request_list"));
    add_head(&out, t, columns);
    unsigned left = rows > 6 ? rows - 5 : 2, lower = queue > 0 ? left / 2 : 2;
    add_workers(&out, t, columns, left - lower);
    unsigned used = 0;
    for (size_t i = 0; i < out.n; i++)
        used += out.p[i] == '\n';
    add_requests(&out, t, columns, rows > used + 1 ? rows - used - 1 : 0);
    paint(&screen, t, buf_str(&out), columns, rows);
    fwrite(screen.p, 1, screen.n, stdout);
    fflush(stdout);
    buf_fini(&out);
    buf_fini(&screen);
}

/* ---- keys ---- */

static void press(struct top *t, const char *keys, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++) {
        bool arrow = i + 2 < n && keys[i] == '\033' && keys[i + 1] == '[';
        char key = arrow ? keys[i + 2] : keys[i];
        i += arrow ? 2 : 0;
        if (key == 'q' || key == 'Q' || key == CTRL_C)
            t->quit = true;
        else if (key == 'j' || (arrow && key == 'B'))
            t->scroll++;
        else if ((key == 'k' || (arrow && key == 'A')) && t->scroll > 0)
            t->scroll--;
        else if (key == CTRL_Z) {
            leave(t);
            kill(0, SIGTSTP);
            enter(t);
        }
    }
}

/* Waits for a key, a resize, or `ms`. True: the time is over. */
static bool wait_for_keys(struct top *t, int ms)
{
    char keys[KEYS];
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    int n = poll(&p, 1, ms);
    ssize_t got = n > 0 ? read(STDIN_FILENO, keys, sizeof keys) : 0;
    if (n > 0 && got <= 0)
        t->quit = true; /* the terminal is gone */
    press(t, keys, got);
    return n == 0;
}

static void run(struct top *t)
{
    while (!t->quit && !ended) {
        fetch_all(t);
        uint64_t until = clock_us() + EVERY_MS * 1000ull;
        bool over = false;
        while (!over && !t->quit && !ended) {
            uint64_t now = clock_us();
            draw(t);
            over = now >= until || wait_for_keys(t, (int)((until - now) / 1000));
        }
    }
}

int client_top(const struct client_options *o)
{
    struct top t = {.o = *o, .colours = plain_takes_colours(STDOUT_FILENO)};
    if (!plain_takes_escapes(STDOUT_FILENO) || isatty(STDIN_FILENO) == 0)
        return client_status(o);
    t.o.patience_ms = PATIENCE_MS;
    fetch_all(&t);
    if (t.status == NULL) {
        show_fault(&t.fault);
        return err_exit(t.fault.err);
    }
    struct sigaction end = {.sa_handler = on_end}, resize = {.sa_handler = on_resize};
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGHUP, &end, NULL);
    sigaction(SIGWINCH, &resize, NULL);
    enter(&t);
    run(&t);
    leave(&t);
    json_decref(t.status);
    json_decref(t.requests);
    free(t.rates);
    return 0;
}
