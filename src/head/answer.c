#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "head/account.h"
#include "head/memory.h"

/* Send a client's output in the dialect of its request: events as they arrive, or one JSON text at
 * the end.
 *
 * A slow reader delays only its own stream: its pieces are kept in branch.held, at most
 * REPLY_TEXT_BYTES_MAX of them, and leave in portions, as many at a time as the connection accepts.
 * The end of the stream waits for them. */

static void doom(struct head_program *p, struct call *c, const char *why)
{
    if (list_linked(&c->doomed))
        return;
    fault_set(&c->doom, ERR_TOO_LARGE, "%s", why);
    list_push(&p->doomed, &c->doomed);
}

static void write_events(struct head_program *p, struct call *c)
{
    if (p->json.overflowed)
        doom(p, c, "the answer grew over the limit of one answer");
    else
        http_stream_write(c->r, buf_str(&p->json));
}

enum { EXTRA_BYTES = 320 };

static void extra_headers(const struct call *c, uint32_t retry_after_s, bool stream, char *out, size_t cap)
{
    char name[CALL_NAME_BYTES];
    call_name(c, name);
    /* routes.c returns the client's own id as x-request-id with every response. */
    const char *header = c->client_id != NULL ? "x-manta-request-id" : "x-request-id";
    const char *also = call_dialect(c)->id_header;
    int n = also != NULL ? snprintf(out, cap, "%s: %s\r\n", also, name) : 0;
    n += snprintf(out + n, cap - (size_t)n, "%s: %s\r\n%s%s", header, name, stream ? "cache-control: no-cache\r\nx-accel-buffering: no\r\n" : "",
                     !c->computed_again || !c->begun ? "" : c->exact ? "x-manta-computed-again: exact\r\n" : "x-manta-computed-again: may-differ\r\n");
    if (retry_after_s > 0)
        snprintf(out + n, cap - (size_t)n, "retry-after: %u\r\n", retry_after_s);
}

void answer_begin_stream(struct call *c)
{
    if (c->streaming)
        return;
    char extra[EXTRA_BYTES];
    extra_headers(c, 0, true, extra, sizeof extra);
    http_stream_begin(c->r, call_dialect(c)->lines ? "application/x-ndjson" : "text/event-stream; charset=utf-8", extra);
    c->streaming = true;
}

/* Says that the answer is computed again, because its head and its worker were lost together. In
 * the fast mode the text before the client's place may differ this time. */
static void tell_of_it(struct head_program *p, const struct call *c)
{
    buf_reset(&p->json);
    stream_comment(p, c, str_of(c->exact ? "manta computed again: exact" : "manta computed again: may differ from what was sent before"));
    http_stream_write(c->r, buf_str(&p->json));
}

/* ---- pieces ---- */

static void write_started(struct head_program *p, struct call *c, uint32_t index)
{
    struct branch *b = &c->branches[index];
    if (b->started_sent)
        return;
    b->started_sent = true;
    call_dialect(c)->started(&p->json, &c->head, index, &b->response);
}

void answer_started(struct head_program *p, struct call *c, uint32_t index)
{
    if (!c->api.stream)
        return;
    answer_begin_stream(c);
    if (c->computed_again)
        tell_of_it(p, c);
    buf_reset(&p->json);
    if (call_dialect(c)->started != NULL)
        write_started(p, c, index);
    stream_opening(p, c, index);
    if (p->json.n > 0)
        write_events(p, c);
}

void answer_progress(struct head_program *p, struct call *c, const struct fx *fx)
{
    struct api_progress progress = {.total = fx->usage.prompt_tokens, .cached = fx->usage.cached_tokens, .done = fx->first, .ms = (double)fx->usage.prefill_ms};
    if (!c->api.stream || call_dialect(c)->progress == NULL || c->computed_again)
        return;
    answer_begin_stream(c);
    if (http_stream_full(c->r))
        return;
    buf_reset(&p->json);
    stream_progress(p, c, fx->branch, &progress);
    write_events(p, c);
}

/* The brain has checked that the numbers of all these match. */
static struct api_choice choice_of(const struct call *c, const struct fx *fx)
{
    struct api_choice choice = {.text = fx->text};
    bool with_logprobs = c->api.request.sampling.logprobs != 0 && fx->logprobs.n == fx->ids.n;
    if (fx->ids.n == 0 || (!with_logprobs && !call_dialect(c)->tells_ids))
        return choice;
    choice.ids = fx->ids.p;
    choice.tokens_n = fx->ids.n;
    if (!with_logprobs)
        return choice;
    choice.logprobs = fx->logprobs.p;
    choice.drawn_probs = c->api.request.sampling.drawn_probs != 0;
    choice.top_ids = fx->top_ids.p;
    choice.top_logprobs = fx->top_logprobs.p;
    choice.top_n = fx->top_ids.n / fx->ids.n;
    choice.pieces = fx->pieces.n > 0 ? fx->pieces.p : NULL;
    return choice;
}

/* Returns false if a part would exceed the limit of one answer. */
static bool keep(struct head_program *p, struct call *c, struct backlog *k, const struct fx *fx)
{
    size_t before = backlog_bytes(k);
    bool kept = backlog_add(k, fx, call_wants_ids(c) && !c->api.stream);
    memory_of_call(p, c, (int64_t)(backlog_bytes(k) - before));
    return kept;
}

static bool hold(struct head_program *p, struct call *c, struct branch *b, const struct fx *fx)
{
    size_t before = b->held.bytes;
    bool held = held_add(&b->held, fx, call_streams_ids(c), b->heard);
    memory_of_call(p, c, (int64_t)(b->held.bytes - before));
    return held;
}

/* Returns the parts, which the caller frees; NULL: plain text. */
static struct part *parts_of(const struct fx *fx)
{
    struct part *parts = fx->parts_n > 0 ? xalloc_array(fx->parts_n, sizeof *parts) : NULL;
    for (uint32_t i = 0; i < fx->parts_n; i++)
        parts[i] = (struct part){.kind = fx->parts[i].kind, .call = fx->parts[i].call, .bytes = fx->parts[i].bytes};
    return parts;
}

/* The client has this piece: only tracks the block, if the answer comes from its beginning; else
 * the client's place names the block. */
static void skip(struct branch *b, const struct fx *fx)
{
    struct part text = {.kind = PART_TEXT, .bytes = (uint32_t)fx->text.n}, *parts = parts_of(fx);
    if (fx->first == 0) {
        b->counts_blocks = true;
        b->block = (struct api_in_block){0};
    }
    if (b->counts_blocks && parts != NULL)
        stream_skip(b, parts, fx->parts_n);
    else if (b->counts_blocks && fx->text.n > 0)
        stream_skip(b, &text, 1);
    free(parts);
}

void answer_prompt(struct head_program *p, struct call *c, uint32_t index, const struct fx *fx)
{
    struct branch *b = call_branch(c, index);
    struct fx piece = *fx;
    if (fx->kind == FX_STARTED) /* the branch keeps its ids */
        piece.ids = (struct wire_i32s){0};
    if (!keep(p, c, &b->whole, &piece))
        doom(p, c, "the answer grew over the limit of one answer");
}

void answer_piece(struct head_program *p, struct call *c, uint32_t index, const struct fx *fx)
{
    struct branch *b = call_branch(c, index);
    if (fx->of_prompt) {
        answer_prompt(p, c, index, fx);
        return;
    }
    if (b->begun_us == 0) { /* another head received its start */
        b->begun_us = net_now_us(p->loop);
        b->before = fx->first;
    }
    b->heard = fx->first + fx->ids.n;
    b->breaks_line |= fx->text.n > 0 && memchr(fx->text.p, '\n', fx->text.n) != NULL;
    if (call_keeps_text(c) && !keep(p, c, &b->whole, fx)) {
        doom(p, c, "the answer grew over the limit of one answer");
        return;
    }
    if (c->api.stream && b->heard <= b->mute)
        skip(b, fx);
    if (!c->api.stream || (fx->text.n == 0 && !call_streams_ids(c)) || b->heard <= b->mute || b->closed)
        return;
    if (http_stream_full(c->r) || !held_is_empty(&b->held)) {
        if (!hold(p, c, b, fx))
            doom(p, c, "the client reads too slowly: more of its answer waits than may be kept");
        return;
    }
    struct part *parts = parts_of(fx);
    buf_reset(&p->json);
    stream_piece(p, c, index, choice_of(c, fx), parts, fx->parts_n, b->heard);
    write_events(p, c);
    free(parts);
}

static void write_finish(struct head_program *p, struct call *c, uint32_t index)
{
    struct branch *b = &c->branches[index];
    if (b->done && b->response.finish != FINISH_ERROR && !b->over)
        stream_closing(p, c, index);
}

/* Sends the first held portion of a branch; after the last portion, the branch's end. */
static void release(struct head_program *p, struct call *c, uint32_t index)
{
    struct held *held = &c->branches[index].held;
    struct api_choice choice = {.drawn_probs = c->api.request.sampling.drawn_probs != 0};
    size_t before = held->bytes;
    struct str *pieces = backlog_show(&held->first->backlog, &choice);
    buf_reset(&p->json);
    const struct buf *parts = &held->first->backlog.parts;
    stream_piece(p, c, index, choice, (const struct part *)(const void *)parts->p, (uint32_t)(parts->n / sizeof(struct part)), held->first->heard);
    free(pieces);
    held_drop(held);
    memory_of_call(p, c, -(int64_t)(before - held->bytes));
    if (held_is_empty(held))
        write_finish(p, c, index);
    write_events(p, c);
}

static bool is_held(const struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n; i++) {
        if (!held_is_empty(&c->branches[i].held))
            return true;
    }
    return false;
}

static bool end_stream(struct head_program *p, struct call *c);

bool answer_drained(struct head_program *p, struct call *c)
{
    for (uint32_t i = 0; c->streaming && i < c->branches_n; i++) {
        while (!held_is_empty(&c->branches[i].held)) {
            if (list_linked(&c->doomed) || http_stream_full(c->r)) /* then this function is called again */
                return false;
            release(p, c, i);
        }
    }
    return c->ended && !list_linked(&c->doomed) && end_stream(p, c);
}

void answer_branch_done(struct head_program *p, struct call *c, uint32_t index)
{
    if (!c->streaming || !held_is_empty(&c->branches[index].held))
        return;
    buf_reset(&p->json);
    write_finish(p, c, index);
    if (p->json.n > 0)
        write_events(p, c);
}

/* ---- the end ---- */

static const struct fault *first_fault(const struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n; i++) {
        if (c->branches[i].response.finish == FINISH_ERROR)
            return &c->branches[i].response.fault;
    }
    return NULL;
}

static struct api_cluster answer_cluster(struct head_program *p)
{
    struct head_totals t;
    head_totals(p->brain, &t);
    return (struct api_cluster){.nodes = t.workers + 1, .actors = t.actors_ready};
}

static void swap(struct buf *a, struct buf *b)
{
    struct buf was = *a;
    *a = *b;
    *b = was;
}

void answer_written(struct head_program *p, struct call *c, struct buf *text)
{
    char extra[EXTRA_BYTES];
    extra_headers(c, 0, false, extra, sizeof extra);
    swap(&p->json, text);
    if (!c->streaming) {
        reply_json(p, c->r, 200, extra);
    } else if (p->json.overflowed) {
        struct fault f;
        fault_set(&f, ERR_TOO_LARGE, "the answer is larger than %d bytes", REPLY_JSON_BYTES_MAX);
        buf_reset(&p->json);
        stream_fault(p, c, &f);
    }
    if (c->streaming) {
        http_stream_write(c->r, buf_str(&p->json));
        http_stream_end(c->r);
    }
    c->r = NULL;
    swap(&p->json, text);
}

static bool end_stream(struct head_program *p, struct call *c)
{
    const struct api_dialect *d = call_dialect(c);
    const struct fault *fault = d->partial ? NULL : first_fault(c);
    c->ended = is_held(c);
    if (c->ended) {
        c->has_body = false; /* a successor asks the workers for the rest */
        return false;
    }
    buf_reset(&p->json);
    if (fault != NULL) {
        stream_fault(p, c, fault);
    } else if (!c->ended_sent && (c->branches_n != 1 || c->branches[0].skip == 0)) { /* skip: the client has that event, too */
        struct api_cluster cluster = d->partial ? answer_cluster(p) : (struct api_cluster){0};
        stream_id(p, c, true);
        if (d->repeats && writing_begin(p, c, buf_str(&p->json), answer_cluster(p)))
            return false;
        if (!write_whole_ending(&p->json, c, &cluster))
            buf_reset(&p->json);
    }
    if (fault == NULL)
        write_whole_last(&p->json, c);
    http_stream_write(c->r, buf_str(&p->json));
    http_stream_end(c->r);
    c->r = NULL;
    return true;
}

static bool all_failed(const struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n; i++) {
        if (c->branches[i].response.finish != FINISH_ERROR)
            return false;
    }
    return true;
}

bool answer_end(struct head_program *p, struct call *c)
{
    if (answer_command(p, c))
        return true;
    const struct fault *fault = first_fault(c);
    bool failed = fault != NULL && (!call_dialect(c)->partial || all_failed(c));
    if (failed && !c->streaming) {
        answer_fault(p, c, fault, 0);
        return true;
    }
    if (c->api.stream) {
        answer_begin_stream(c);
        return end_stream(p, c);
    }
    if (writing_begin(p, c, str_n(NULL, 0), answer_cluster(p)))
        return false;
    struct api_cluster cluster = answer_cluster(p);
    buf_reset(&p->json);
    write_answer(&p->json, c, &cluster);
    answer_written(p, c, &p->json);
    return true;
}

void answer_fault(struct head_program *p, struct call *c, const struct fault *f, uint32_t retry_after_s)
{
    account_end(p, c, err_http(f->err), f->text);
    buf_reset(&p->json);
    if (c->streaming) {
        stream_fault(p, c, f);
        http_stream_write(c->r, buf_str(&p->json));
        http_stream_end(c->r);
    } else {
        struct api_error e = {.fault = call_named_fault(c, f)};
        e.code = f->err == ERR_NOT_FOUND && c->from != NULL   ? "stream_not_found"
                 : f->err == ERR_NOT_FOUND && c->availability == NULL ? "model_not_found"
                                                              : NULL;
        snprintf(e.param, sizeof e.param, "%s", f->err == ERR_FORM ? c->api.form_field : f->err == ERR_TOOLS ? "tools" : c->param);
        char extra[EXTRA_BYTES];
        extra_headers(c, retry_after_s, false, extra, sizeof extra);
        char id[CALL_NAME_BYTES];
        call_name(c, id);
        call_dialect(c)->error(&p->json, &e, str_of(id));
        reply_json(p, c->r, err_http(f->err), extra);
    }
    c->r = NULL;
}
