/* A call's record: its branches, its id, its client's place. */
#include "base/alloc.h"
#include "head/call.h"

struct branch *call_branch(struct call *c, uint32_t index)
{
    if (index >= c->branches_n) {
        c->branches = xrealloc(c->branches, (index + 1) * sizeof *c->branches);
        for (uint32_t i = c->branches_n; i <= index; i++) {
            c->branches[i] = (struct branch){.response = {.actor = UINT32_MAX}};
            backlog_init(&c->branches[i].whole);
        }
        c->branches_n = index + 1;
    }
    return &c->branches[index];
}

void call_name(const struct call *c, char out[CALL_NAME_BYTES])
{
    (void)api_name(call_dialect(c)->id_prefix, c->head.id, out);
}

/* Adds the request's id to the error of a request that crashes workers, so that people can find it;
 * adds the field's name to errors of forms and tools. */
struct fault call_named_fault(const struct call *c, const struct fault *f)
{
    struct fault named = *f;
    char id[CALL_NAME_BYTES];
    call_name(c, id);
    if (f->err == ERR_POISON)
        fault_set(&named, f->err, "%s (request %s)", f->text, id);
    if (f->err == ERR_FORM && c->api.form_field[0] != '\0')
        fault_set(&named, f->err, "%s: %s", c->api.form_field, f->text);
    if (f->err == ERR_TOOLS)
        fault_set(&named, f->err, "tools: %s", f->text);
    return named;
}

void answer_place(const struct call *c, struct api_stream_id *out)
{
    out->stream = c->stream;
    out->whole = call_keeps_text(c);
    out->ended = false;
    out->n = 0;
    bool with_chars = call_dialect(c)->counts_chars && c->api.request.sampling.logprobs != 0;
    uint32_t n = c->total > c->branches_n ? c->total : c->branches_n;
    /* Only these places are written, not all 2 kB: this runs for each token. */
    for (; out->n < n && out->n < API_BRANCHES_MAX; out->n++) {
        const struct branch *b = out->n < c->branches_n ? &c->branches[out->n] : NULL;
        out->at[out->n] = (struct api_place){0};
        if (b != NULL)
            out->at[out->n] = (struct api_place){.tokens = b->sent, .chars = with_chars ? b->chars : 0, .done = b->closed, .steps = b->steps,
                                                 .block = call_dialect(c)->begin != NULL ? b->told : (struct api_in_block){0}};
    }
    if (out->n == 0)
        out->at[out->n++] = (struct api_place){0};
}

void call_places(struct call *c, const struct api_stream_id *from, bool again)
{
    again = again || from->whole;
    for (uint32_t i = 0; i < from->n; i++) {
        struct branch *b = call_branch(c, i);
        b->sent = from->at[i].tokens;
        b->heard = again ? 0 : b->sent;
        b->mute = again ? b->sent : 0;
        b->chars = from->at[i].chars;
        b->steps = b->skip = from->at[i].steps;
        b->comes_back = b->steps > 0;
        b->closed = from->at[i].done;
        b->opened = b->sent > 0 || b->closed;
        b->block = b->told = from->at[i].block;
        if (b->block.n == 0 && b->opened && !again)
            b->block = b->told = (struct api_in_block){.n = 1, .kind = PART_TEXT};
    }
}
