/* The events of a stream, in the order that api/dialect.h draws, each with the place of its client.
 *
 * What stands between two pieces is counted (branch.steps); of a client that came back with a place in its middle the first ones are
 * written and taken back (branch.skip), so that the rest has the numbers that it had at the former head. */
#include "base/utf8.h"
#include "head/call.h"

/* How far the client is once it has the event that follows. `ended`: then only [DONE] is left. */
void stream_id(struct head_program *p, const struct call *c, bool ended)
{
    struct api_stream_id id;
    answer_place(c, &id);
    id.ended = ended;
    buf_puts(&p->json, "id: ");
    api_write_stream_id(&p->json, &id);
    buf_putc(&p->json, '\n');
}

static struct api_event event_of(const struct call *c, uint32_t index)
{
    const struct branch *b = &c->branches[index];
    struct api_event ev = {.head = &c->head, .choice.index = index, .usage = b->response.usage, .text = buf_str(&b->whole.text)};
    ev.place = (struct api_place){.tokens = b->sent, .done = b->closed, .steps = b->steps};
    return ev;
}

/* Appends the events that stand at this place of a branch to p->json, but for those that the client has. */
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
        p->json.n = before; /* it has no such event, or its client has it */
        if (more)
            b->skip--;
        else
            b->steps--;
    }
}

void stream_opening(struct head_program *p, struct call *c, uint32_t index)
{
    struct branch *b = call_branch(c, index);
    if (b->opened)
        return;
    b->opened = true;
    b->steps = 0;
    write_steps(p, c, call_dialect(c)->opening, event_of(c, index));
}

static void begin_part(struct head_program *p, struct call *c, uint32_t index)
{
    struct branch *b = &c->branches[index];
    stream_opening(p, c, index);
    if (b->part_open)
        return;
    b->part_open = b->part_begun = true;
    write_steps(p, c, call_dialect(c)->begin, event_of(c, index));
}

static void advance(struct branch *b, uint32_t heard)
{
    if (b->sent != heard)
        b->steps = 0;
    b->sent = heard;
}

/* Fills in what every piece of a branch has, and appends it to p->json. */
void stream_piece(struct head_program *p, struct call *c, uint32_t index, struct api_choice choice, uint32_t heard)
{
    struct branch *b = &c->branches[index];
    begin_part(p, c, index);
    struct api_timings timings = timings_of(b, net_now_us(p->loop));
    advance(b, heard);
    b->skip = 0;
    struct api_event ev = event_of(c, index);
    ev.choice = choice;
    ev.choice.index = index;
    ev.choice.timings = c->api.timings ? &timings : NULL;
    ev.choice.text_offset = b->chars;
    b->chars += utf8_count(choice.text);
    stream_id(p, c, false);
    call_dialect(c)->piece(&p->json, &ev);
}

/* Appends the events that end a branch to p->json. */
void stream_closing(struct head_program *p, struct call *c, uint32_t index)
{
    struct branch *b = &c->branches[index];
    const struct api_dialect *d = call_dialect(c);
    struct api_timings timings = timings_of(b, net_now_us(p->loop));
    if (!b->part_begun) /* an empty answer has a part, too */
        begin_part(p, c, index);
    if (!b->closed)
        b->sent = b->heard;
    b->steps = 0;
    b->closed = b->over = true;
    struct api_event ev = event_of(c, index);
    ev.choice.finish = b->response.finish;
    ev.choice.stop = b->stop != NULL ? str_of(b->stop) : str_n(NULL, 0);
    ev.choice.timings = c->api.timings ? &timings : NULL;
    write_steps(p, c, d->end, ev);
    b->part_open = false;
    write_steps(p, c, d->closing, ev);
}

/* A dialect whose streams begin before there is anything to tell: begins them. False: what the client has of it is not known yet. */
static bool open_early(struct head_program *p, struct call *c)
{
    if (c->from != NULL && !c->begun)
        return false;
    for (uint32_t i = 0; i < c->total; i++)
        stream_opening(p, c, i);
    return true;
}

void stream_waits(struct head_program *p, struct call *c, struct str text)
{
    const struct api_dialect *d = call_dialect(c);
    bool open = !d->opens_early || open_early(p, c);
    struct api_event ev = c->branches_n > 0 ? event_of(c, 0) : (struct api_event){.head = &c->head};
    if (open)
        d->idle(&p->json, &ev, text);
    else
        api_write_sse_comment(&p->json, text);
}

/* Appends the event that tells of a failure. */
void stream_fault(struct head_program *p, struct call *c, const struct fault *f)
{
    struct fault named = call_named_fault(c, f);
    if (call_dialect(c)->opens_early)
        (void)open_early(p, c);
    struct api_event ev = c->branches_n > 0 ? event_of(c, 0) : (struct api_event){.head = &c->head};
    ev.place.steps++;
    call_dialect(c)->fault(&p->json, &ev, &named);
}
