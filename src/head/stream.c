/* Write the events of a stream, in the order that api/dialect.h draws, each with the client's
 * place.
 *
 * Events between two pieces are counted (branch.steps). If a client returns with a place between
 * two pieces, the events up to its place are written and taken back (branch.skip), so that the rest
 * have the numbers that the former head gave them. */
#include <stdlib.h>

#include "base/utf8.h"
#include "head/call.h"

/* Writes the client's place after the next event. `ended`: only [DONE] follows. */
void stream_id(struct head_program *p, const struct call *c, bool ended)
{
    struct api_stream_id id;
    if (call_dialect(c)->lines)
        return;
    answer_place(c, &id);
    id.ended = ended;
    buf_puts(&p->json, "id: ");
    api_write_stream_id(&p->json, &id);
    buf_putc(&p->json, '\n');
}

static struct api_event event_of(const struct call *c, uint32_t index)
{
    const struct branch *b = &c->branches[index];
    struct api_event ev = {.head = &c->head, .choice.index = index, .usage = b->response.usage};
    ev.place = (struct api_place){.tokens = b->sent, .done = b->closed, .steps = b->steps};
    ev.block = (struct api_block){.kind = b->block.kind, .call = b->block.call, .index = b->block.n > 0 ? b->block.n - 1 : 0};
    return ev;
}

/* Appends the events at this place of a branch to p->json, except those that the client has. */
static void write_steps(struct head_program *p, struct call *c, api_step_fn *step, struct api_event ev)
{
    struct branch *b = &c->branches[ev.choice.index];
    for (bool more = step != NULL; more; ev.step++) {
        size_t before = p->json.n;
        ev.place.steps = ++b->steps;
        stream_id(p, c, false);
        more = step(&p->json, &ev);
        if (more && b->skip == 0)
            continue;
        p->json.n = before; /* there is no such event, or the client has it */
        if (more)
            b->skip--;
        else
            b->steps--;
    }
}

void stream_comment(struct head_program *p, const struct call *c, struct str text)
{
    if (!call_dialect(c)->lines)
        api_write_sse_comment(&p->json, text);
}

void stream_opening(struct head_program *p, struct call *c, uint32_t index)
{
    struct branch *b = call_branch(c, index);
    if (b->opened)
        return;
    b->opened = true;
    b->steps = 0;
    b->comes_back = false;
    write_steps(p, c, call_dialect(c)->opening, event_of(c, index));
}

/* ---- blocks ---- */

static uint8_t block_kind(const struct part *part)
{
    return part->kind == PART_TOOL_NAME ? PART_TOOL_ARGUMENTS : part->kind;
}

static bool is_in(const struct api_in_block *in, const struct part *part)
{
    return in->n > 0 && part->kind != PART_TOOL_NAME && in->kind == part->kind && in->call == part->call;
}

static void enter(struct api_in_block *in, const struct part *part)
{
    *in = (struct api_in_block){.n = in->n + 1, .kind = block_kind(part), .call = part->call};
}

void stream_skip(struct branch *b, const struct part *parts, uint32_t parts_n)
{
    for (uint32_t i = 0; i < parts_n; i++)
        if (!is_in(&b->block, &parts[i]))
            enter(&b->block, &parts[i]);
    b->told = b->block;
}

/* Ends the current block of the stream. */
static void end_block(struct head_program *p, struct call *c, struct api_event ev)
{
    const struct branch *b = &c->branches[ev.choice.index];
    if (b->block.n == 0 || call_dialect(c)->end == NULL)
        return;
    uint32_t n = 0;
    struct api_block *blocks = call_dialect(c)->repeats ? backlog_blocks(&b->whole, &n) : NULL;
    if (ev.block.index < n)
        ev.block = blocks[ev.block.index];
    write_steps(p, c, call_dialect(c)->end, ev);
    free(blocks);
}

static void begin_block(struct head_program *p, struct call *c, uint32_t index, const struct part *part, struct str text)
{
    struct branch *b = call_branch(c, index);
    stream_opening(p, c, index);
    if (is_in(&b->block, part))
        return;
    end_block(p, c, event_of(c, index));
    enter(&b->block, part);
    struct api_event ev = event_of(c, index);
    if (part->kind == PART_TOOL_NAME)
        ev.block.name = text;
    write_steps(p, c, call_dialect(c)->begin, ev);
}

/* ---- pieces ---- */

static void advance(struct branch *b, uint32_t heard)
{
    if (b->sent != heard)
        b->steps = 0;
    b->sent = heard;
    b->skip = 0;
    b->told = b->block;
}

/* Writes a piece that is not the last of its token: it is numbered as a step before the token. */
static void write_before(struct head_program *p, struct call *c, struct api_event ev)
{
    struct branch *b = &c->branches[ev.choice.index];
    size_t before = p->json.n;
    ev.place.steps = ++b->steps;
    stream_id(p, c, false);
    call_dialect(c)->piece(&p->json, &ev);
    if (b->skip > 0) {
        b->skip--;
        p->json.n = before;
    }
}

/* Writes a piece of one part; `last`: the last one of its token. */
static void write_piece(struct head_program *p, struct call *c, const struct api_choice *choice, bool last, uint32_t heard)
{
    struct branch *b = &c->branches[choice->index];
    if (last)
        advance(b, heard);
    if (choice->kind == PART_TOOL_NAME && call_dialect(c)->begin != NULL)
        return; /* it was sent with the block's beginning */
    struct api_event ev = event_of(c, choice->index);
    ev.choice = *choice;
    if (!last) {
        write_before(p, c, ev);
        return;
    }
    stream_id(p, c, false);
    call_dialect(c)->piece(&p->json, &ev);
}

void stream_piece(struct head_program *p, struct call *c, uint32_t index, struct api_choice choice, const struct part *parts, uint32_t parts_n,
                  uint32_t heard)
{
    struct branch *b = call_branch(c, index);
    struct part only = {.kind = b->block.n > 0 && choice.text.n == 0 ? b->block.kind : PART_TEXT, .call = b->block.call, .bytes = (uint32_t)choice.text.n};
    struct api_timings timings = timings_of(b, net_now_us(p->loop));
    struct str text = choice.text;
    if (b->comes_back)
        b->steps = 0;
    b->comes_back = false;
    if (parts_n == 0) {
        only.call = only.kind == PART_TEXT ? 0 : only.call;
        parts = &only;
        parts_n = 1;
    }
    for (uint32_t i = 0; i < parts_n; i++) {
        bool last = i + 1 == parts_n;
        struct api_choice piece = last ? choice : (struct api_choice){0};
        piece.index = index;
        piece.text = str_n(text.p, parts[i].bytes);
        piece.kind = parts[i].kind;
        piece.call = parts[i].call;
        piece.timings = last && c->api.timings ? &timings : NULL;
        piece.text_offset = b->chars;
        b->chars += utf8_count(piece.text);
        begin_block(p, c, index, &parts[i], piece.text);
        write_piece(p, c, &piece, last, heard);
        text = str_n(text.p + parts[i].bytes, text.n - parts[i].bytes);
    }
}

/* Appends the events that end a branch to p->json. */
void stream_closing(struct head_program *p, struct call *c, uint32_t index)
{
    static const struct part no_text = {.kind = PART_TEXT};
    struct branch *b = &c->branches[index];
    struct api_timings timings = timings_of(b, net_now_us(p->loop));
    if (b->block.n == 0 && !b->closed) /* an empty answer has a block, too */
        begin_block(p, c, index, &no_text, str_n(NULL, 0));
    else if (b->block.n == 0)
        enter(&b->block, &no_text); /* the client has the beginning of that block */
    if (!b->closed)
        b->sent = b->heard;
    b->steps = 0;
    b->closed = b->over = true;
    b->told = b->block;
    struct api_event ev = event_of(c, index);
    ev.choice.finish = b->response.finish;
    ev.choice.stop = b->stop != NULL ? str_of(b->stop) : str_n(NULL, 0);
    ev.choice.breaks_line = b->breaks_line;
    ev.choice.timings = c->api.timings || call_dialect(c)->tells_times ? &timings : NULL;
    end_block(p, c, ev);
    write_steps(p, c, call_dialect(c)->closing, ev);
}

/* Begins the streams of a dialect that opens them before any output. False: the client's part is
 * not known yet. */
static bool open_early(struct head_program *p, struct call *c)
{
    if (c->from != NULL && !c->begun)
        return false;
    for (uint32_t i = 0; i < c->total; i++)
        stream_opening(p, c, i);
    return true;
}

void stream_progress(struct head_program *p, struct call *c, uint32_t index, const struct api_progress *progress)
{
    struct api_timings timings = {.cached = progress->cached, .prompt = progress->done - progress->cached, .prompt_ms = progress->ms};
    if (call_dialect(c)->opens_early)
        (void)open_early(p, c);
    (void)call_branch(c, index);
    struct api_event ev = event_of(c, index);
    ev.choice.timings = c->api.timings ? &timings : NULL;
    call_dialect(c)->progress(&p->json, &ev, progress);
}

void stream_waits(struct head_program *p, struct call *c, struct str text)
{
    const struct api_dialect *d = call_dialect(c);
    bool open = !d->opens_early || open_early(p, c);
    struct api_event ev = c->branches_n > 0 ? event_of(c, 0) : (struct api_event){.head = &c->head};
    if (open)
        d->idle(&p->json, &ev, text);
    else
        stream_comment(p, c, text);
}

/* Appends the event that reports a failure. */
void stream_fault(struct head_program *p, struct call *c, const struct fault *f)
{
    struct fault named = call_named_fault(c, f);
    if (call_dialect(c)->opens_early)
        (void)open_early(p, c);
    struct api_event ev = c->branches_n > 0 ? event_of(c, 0) : (struct api_event){.head = &c->head};
    ev.place.steps++;
    struct api_block *blocks = call_dialect(c)->repeats && c->branches_n > 0 ? backlog_blocks(&c->branches[0].whole, &ev.choice.blocks_n) : NULL;
    ev.choice.blocks = blocks;
    call_dialect(c)->fault(&p->json, &ev, &named);
    free(blocks);
}
