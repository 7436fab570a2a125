/* A round sends every watcher the state; it takes as many turns of the loop as it needs, and ends
 * after the last watcher. Watchers of one owner are adjacent in the list, so each owner's text is
 * made once per round. A newcomer gets a round of its own at once. */
#include "head/watch.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "head/page.h"

struct watcher {
    struct asker asker;     /* first: the request's user data points here */
    struct list link;       /* in watch.watchers */
    struct http_request *r;
    struct owner who;
    uint64_t lines;         /* number of the next log line to send */
    bool fresh;             /* has not been sent a state yet */
};

struct sample {
    uint64_t at_us, tokens; /* received for clients until then */
    uint32_t running, queued;
    float tokens_per_s;     /* since the sample before */
};

struct watch {
    struct list watchers;
    uint32_t n;
    struct net_timer *second, *turn;
    struct list *next;      /* the round's next watcher; NULL: no round */
    bool fresh_only;        /* the round serves newcomers only */
    struct buf text;        /* owned; the state … */
    struct owner text_who;  /* … for this owner, in this round: */
    bool whole;             /* it is complete */
    page_part_fn *const *parts; /* its remaining parts; NULL: no text is in progress */
    struct page_writer w;
    uint64_t begun_us, due_us; /* start of the last round for all; earliest start of the next */
    uint64_t sent_bytes;    /* in this round */
    struct sample samples[WATCH_SAMPLES];
    uint64_t samples_n;     /* ever taken: the newest is at (n - 1) % WATCH_SAMPLES */
    char *lines[WATCH_LINES]; /* owned; as events */
    uint64_t lines_n;       /* ever */
};

/* ---- history ---- */

static const struct sample *last_sample(const struct watch *watch)
{
    return &watch->samples[(watch->samples_n + WATCH_SAMPLES - 1) % WATCH_SAMPLES];
}

static void take_sample(struct head_program *p)
{
    struct watch *watch = p->watch;
    struct head_totals t;
    const struct sample *last = last_sample(watch);
    head_totals(p->brain, &t);
    struct sample s = {.at_us = net_now_us(p->loop), .tokens = p->tokens_told, .running = t.running, .queued = t.queued};
    if (s.at_us > last->at_us && watch->samples_n > 0)
        s.tokens_per_s = (float)((double)(s.tokens - last->tokens) * 1e6 / (double)(s.at_us - last->at_us));
    watch->samples[watch->samples_n++ % WATCH_SAMPLES] = s;
}

/* {"samples":[[age in ms, tokens/s, running, queued], …]}, oldest first. */
static void write_history(struct head_program *p, struct buf *out)
{
    const struct watch *watch = p->watch;
    struct jout j = jout_to(out);
    uint64_t n = watch->samples_n < WATCH_SAMPLES ? watch->samples_n : WATCH_SAMPLES;
    buf_puts(out, "event: history\ndata: ");
    jout_object(&j);
    jout_key(&j, "samples");
    jout_array(&j);
    for (uint64_t i = watch->samples_n - n; i < watch->samples_n; i++) {
        const struct sample *s = &watch->samples[i % WATCH_SAMPLES];
        jout_array(&j);
        jout_uint(&j, (net_now_us(p->loop) - s->at_us) / 1000);
        jout_fixed(&j, (double)s->tokens_per_s, 1);
        jout_uint(&j, s->running);
        jout_uint(&j, s->queued);
        jout_array_end(&j);
    }
    jout_array_end(&j);
    jout_object_end(&j);
    buf_puts(out, "\n\n");
}

void watch_line(struct head_program *p, const struct fx *fx)
{
    struct watch *watch = p->watch;
    char json[LOG_JSON_BYTES_MAX];
    struct buf line = buf_max(LOG_JSON_BYTES_MAX + 64);
    if (fx->peer_kind != NULL || fx->level == LOG_TRACE) /* unknown peers' lines would displace the others */
        return;
    size_t n = log_json(fx->level, fx->tag, fx->event, fx->text, json);
    buf_printf(&line, "event: log\ndata: %.*s\n\n", (int)n, json);
    char **at = &watch->lines[watch->lines_n++ % WATCH_LINES];
    free(*at);
    *at = xstr_dup(buf_str(&line));
    buf_fini(&line);
}

/* ---- a state ---- */

static bool begin_state(struct page_writer *w)
{
    buf_puts(w->j.buf, "event: state\ndata: ");
    jout_object(&w->j);
    jout_put_fixed(&w->j, "tokens_per_s", (double)last_sample(w->p->watch)->tokens_per_s, 1);
    jout_put_bool(&w->j, "admin", w->who->admin);
    jout_put_bool(&w->j, "sees_all", w->who->all);
    part_overview(w);
    return true;
}

static bool end_state(struct page_writer *w)
{
    jout_key(&w->j, "requests");
    put_requests(w->p, w->who, &w->j);
    jout_object_end(&w->j);
    buf_puts(w->j.buf, "\n\n");
    return true;
}

static void begin_text(struct head_program *p, const struct owner *who)
{
    static page_part_fn *const parts[] = {begin_state, part_workers, part_actors, end_state, NULL};
    struct watch *watch = p->watch;
    buf_reset(&watch->text);
    watch->text_who = *who;
    watch->whole = false;
    watch->parts = parts;
    watch->w = (struct page_writer){.p = p, .who = &watch->text_who, .j = jout_to(&watch->text), .listed_max = WATCH_LISTED_MAX};
}

static void go_on_with_text(struct watch *watch)
{
    if ((*watch->parts)(&watch->w)) {
        watch->parts++;
        watch->w.index = 0;
        watch->w.from = 0;
    }
    watch->whole = *watch->parts == NULL || watch->text.overflowed;
    if (watch->whole)
        watch->parts = NULL;
}

static bool is_same_owner(const struct owner *a, const struct owner *b)
{
    return a->id == b->id && a->admin == b->admin && a->all == b->all;
}

/* ---- rounds ---- */

static void send_lines(struct watch *watch, struct watcher *x)
{
    uint64_t oldest = watch->lines_n > WATCH_LINES ? watch->lines_n - WATCH_LINES : 0;
    if (x->lines < oldest)
        x->lines = oldest;
    for (; x->lines < watch->lines_n && x->who.admin && x->who.all; x->lines++)
        http_stream_write(x->r, str_of(watch->lines[x->lines % WATCH_LINES]));
}

static void send_state(struct watch *watch, struct watcher *x)
{
    x->fresh = false;
    if (http_stream_full(x->r) || watch->text.overflowed)
        return;
    send_lines(watch, x);
    http_stream_write(x->r, buf_str(&watch->text));
    watch->sent_bytes += watch->text.n;
}

static void begin_round(struct head_program *p, bool fresh_only)
{
    struct watch *watch = p->watch;
    if (list_empty(&watch->watchers))
        return;
    watch->next = watch->watchers.next;
    watch->fresh_only = fresh_only;
    watch->whole = false;
    watch->parts = NULL;
    watch->sent_bytes = 0;
    if (!fresh_only)
        watch->begun_us = net_now_us(p->loop);
    net_timer_set(watch->turn, net_now_us(p->loop));
}

static void end_round(struct head_program *p)
{
    struct watch *watch = p->watch;
    bool fresh = false;
    if (!watch->fresh_only)
        watch->due_us = watch->begun_us + watch->sent_bytes * 1000000 / WATCH_BYTES_PER_S;
    watch->next = NULL;
    if (watch->text.cap > (1 << 18))
        buf_fini(&watch->text); /* one large state must not stay in memory */
    LIST_EACH(pos, &watch->watchers)
        fresh = fresh || list_item(pos, struct watcher, link)->fresh;
    if (fresh)
        begin_round(p, true);
}

static void round_step(struct head_program *p)
{
    struct watch *watch = p->watch;
    if (watch->next == &watch->watchers) {
        end_round(p);
        return;
    }
    struct watcher *x = list_item(watch->next, struct watcher, link);
    if (watch->parts != NULL) {
        go_on_with_text(watch);
    } else if (watch->fresh_only && !x->fresh) {
        watch->next = watch->next->next;
    } else if (!watch->whole || !is_same_owner(&watch->text_who, &x->who)) {
        begin_text(p, &x->who);
    } else {
        send_state(watch, x);
        watch->next = watch->next->next;
    }
}

static void on_turn(struct net_timer *t, void *user_data)
{
    struct head_program *p = user_data;
    do {
        if (p->watch->next == NULL)
            return;
        round_step(p);
    } while (!net_turn_spent(p->loop));
    net_timer_set(t, net_now_us(p->loop));
}

static void on_second(struct net_timer *t, void *user_data)
{
    struct head_program *p = user_data;
    take_sample(p);
    if (p->watch->next == NULL && net_now_us(p->loop) >= p->watch->due_us)
        begin_round(p, false);
    net_timer_set(t, net_now_us(p->loop) + WATCH_EVERY_MS * 1000ull);
}

/* ---- watchers ---- */

/* Inserts a watcher after one of the same owner. */
static void insert(struct watch *watch, struct watcher *x)
{
    LIST_EACH(pos, &watch->watchers) {
        if (is_same_owner(&list_item(pos, struct watcher, link)->who, &x->who)) {
            list_add_before(pos->next, &x->link);
            return;
        }
    }
    list_push(&watch->watchers, &x->link);
}

void watch_ask(struct head_program *p, struct http_request *r, const struct owner *who)
{
    struct watch *watch = p->watch;
    if (watch->n >= WATCHERS_MAX) {
        struct fault f;
        fault_set(&f, ERR_UNAVAILABLE, "%d clients watch this head already: close a page, or ask GET /manta/status", WATCHERS_MAX);
        reply_fault(p, r, &f);
        return;
    }
    if (http_is_head(r)) {
        http_reply(r, 200, "text/event-stream; charset=utf-8", NULL, str_n(NULL, 0));
        return;
    }
    struct watcher *x = xalloc(sizeof *x);
    *x = (struct watcher){.asker.kind = ASKER_WATCHER, .r = r, .who = *who, .fresh = true};
    insert(watch, x);
    watch->n++;
    http_set_user_data(r, &x->asker);
    http_stream_begin(r, "text/event-stream; charset=utf-8", "cache-control: no-store\r\nx-accel-buffering: no\r\n");
    buf_reset(&p->json);
    write_history(p, &p->json);
    http_stream_write(r, buf_str(&p->json));
    if (watch->next == NULL)
        begin_round(p, true);
}

void watch_gone(struct head_program *p, struct asker *asker)
{
    struct watcher *x = (struct watcher *)asker;
    if (p->watch->next == &x->link)
        p->watch->next = x->link.next;
    list_remove(&x->link);
    p->watch->n--;
    free(x);
}

void watch_dismiss(struct head_program *p)
{
    while (!list_empty(&p->watch->watchers)) {
        struct watcher *x = list_item(p->watch->watchers.next, struct watcher, link);
        struct http_request *r = x->r;
        watch_gone(p, &x->asker);
        http_set_user_data(r, NULL);
        http_stream_end(r);
    }
}

/* ---- start and end ---- */

void watch_begin(struct head_program *p)
{
    _Static_assert(sizeof(struct watch) <= 32 << 10 && sizeof(struct watcher) <= 256, "they are counted in WATCH_BYTES_MAX");
    struct watch *watch = xalloc(sizeof *watch);
    *watch = (struct watch){.text = buf_max(WATCH_TEXT_BYTES_MAX)};
    list_init(&watch->watchers);
    p->watch = watch;
    watch->second = net_timer_new(p->loop, on_second, p);
    watch->turn = net_timer_new(p->loop, on_turn, p);
    on_second(watch->second, p);
}

void watch_end(struct head_program *p)
{
    struct watch *watch = p->watch;
    if (watch == NULL)
        return;
    while (!list_empty(&watch->watchers))
        watch_gone(p, &list_item(watch->watchers.next, struct watcher, link)->asker);
    for (size_t i = 0; i < WATCH_LINES; i++)
        free(watch->lines[i]);
    buf_fini(&watch->text);
    free(watch);
    p->watch = NULL;
}
