/* Write the whole result of a call as one JSON text, or as the event that ends a stream. Also runs
 * on the desk's thread: touches only its arguments. */
#include <stdlib.h>

#include "base/alloc.h"
#include "head/call.h"

/* Compares mean log-probabilities of tokens. */
static bool beats(const struct api_response *a, const struct api_response *b)
{
    double mean_a = a->logprob_sum / (a->usage.completion_tokens + !a->usage.completion_tokens);
    double mean_b = b->logprob_sum / (b->usage.completion_tokens + !b->usage.completion_tokens);
    return mean_a > mean_b;
}

/* Selects the branches to show: of each prompt the likeliest answers, if more are made than shown.
 * The caller frees the result. */
static uint32_t *shown_of(const struct call *c, uint32_t *out_n)
{
    uint32_t *shown = xalloc_array(c->branches_n + 1, sizeof *shown), n = 0;
    uint32_t each = c->api.each > 0 ? c->api.each : 1;
    for (uint32_t i = 0; i < c->branches_n; i++) {
        uint32_t better = 0, first = i - i % each;
        for (uint32_t k = first; c->api.shown < each && k < c->branches_n && k < first + each; k++)
            better += beats(&c->branches[k].response, &c->branches[i].response) || (k < i && !beats(&c->branches[i].response, &c->branches[k].response));
        if (c->api.each == 0 || better < c->api.shown)
            shown[n++] = i;
    }
    *out_n = n;
    return shown;
}

static struct api_usage usage_of(const struct call *c)
{
    struct api_usage sum = {0};
    uint32_t texts = 0, each = c->api.many ? c->api.each : 1;
    for (uint32_t i = 0; i < c->branches_n; i++) {
        const struct api_usage *u = &c->branches[i].response.usage;
        /* n answers share one prompt */
        sum.prompt_tokens = u->prompt_tokens > sum.prompt_tokens ? u->prompt_tokens : sum.prompt_tokens;
        sum.cached_tokens = u->cached_tokens > sum.cached_tokens ? u->cached_tokens : sum.cached_tokens;
        sum.completion_tokens += u->completion_tokens;
        sum.reasoning_tokens += u->reasoning_tokens;
        texts += i % each == 0 ? u->prompt_tokens : 0;
    }
    if (call_dialect(c)->vectors || c->api.many) /* each has a prompt of its own */
        sum.prompt_tokens = texts;
    return sum;
}

/* The whole result of a call; drop_whole() frees its pointers. */
struct whole {
    struct api_whole w;
    struct str **pieces;        /* per branch */
    struct api_block **blocks;  /* per branch */
    struct buf *texts;          /* per branch: without reasoning and calls */
};

/* Fills in the i-th shown answer. */
static void fill_choice(struct whole *all, struct api_choice *choice, const struct call *c, uint32_t i, const struct branch *b)
{
    *choice = (struct api_choice){.index = i, .finish = b->response.finish, .with_ids = c->api.request.sampling.prompt_ids != 0,
                                  .with_prompt = c->api.with_prompt, .drawn_probs = c->api.request.sampling.drawn_probs != 0};
    choice->stop = b->stop != NULL ? str_of(b->stop) : str_n(NULL, 0);
    choice->breaks_line = b->breaks_line;
    all->pieces[i] = backlog_show(&b->whole, choice);
    all->blocks[i] = backlog_blocks(&b->whole, &choice->blocks_n);
    choice->blocks = all->blocks[i];
    if (c->api.hides_logprobs)
        choice->logprobs = NULL;
    if (choice->blocks_n == 1 && choice->blocks[0].kind == PART_TEXT)
        return;
    all->texts[i] = buf_max(REPLY_TEXT_BYTES_MAX);
    backlog_text(&b->whole, &all->texts[i]);
    choice->text = buf_str(&all->texts[i]);
}

static struct whole whole_of(struct call *c, const struct api_cluster *cluster)
{
    uint32_t n, *shown = shown_of(c, &n);
    struct api_choice *choices = xalloc_array(n + 1, sizeof *choices);
    struct api_response *responses = xalloc_array(n + 1, sizeof *responses);
    struct whole all = {.pieces = xalloc_array(n + 1, sizeof *all.pieces), .blocks = xalloc_array(n + 1, sizeof *all.blocks),
                        .texts = xalloc_array(n + 1, sizeof *all.texts)};
    for (uint32_t i = 0; i < n; i++) {
        struct branch *b = &c->branches[shown[i]];
        fill_choice(&all, &choices[i], c, i, b);
        responses[i] = b->response;
        responses[i].text = choices[i].text;
        if (c->head.prompt_ids == NULL) {
            c->head.prompt_ids = b->prompt_ids;
            c->head.prompt_ids_n = b->prompt_ids_n;
        }
    }
    free(shown);
    all.w = (struct api_whole){.head = &c->head, .call = &c->api, .choices = choices, .responses = responses, .n = n,
                               .vectors = call_dialect(c)->vectors ? vectors_of(c) : NULL, .usage = usage_of(c), .cluster = *cluster,
                               .inputs = c->texts != NULL ? c->texts->inputs : NULL};
    return all;
}

static void drop_whole(struct whole *all)
{
    for (uint32_t i = 0; i < all->w.n; i++) {
        free(all->pieces[i]);
        free(all->blocks[i]);
        buf_fini(&all->texts[i]);
    }
    free(all->pieces);
    free(all->blocks);
    free(all->texts);
    free((void *)(uintptr_t)all->w.choices);
    free((void *)(uintptr_t)all->w.responses);
    free((void *)(uintptr_t)all->w.vectors);
}

/* Returns false if its dialect has no such event. */
bool write_whole_ending(struct buf *out, struct call *c, const struct api_cluster *cluster)
{
    struct whole all = whole_of(c, cluster);
    struct api_timings timings = timings_of_all(c);
    all.w.usage.timings = c->api.timings ? &timings : NULL;
    if (c->branches_n > 0)
        all.w.place = (struct api_place){.tokens = c->branches[0].sent, .done = true, .steps = c->branches[0].steps + 1};
    bool written = call_dialect(c)->ending != NULL && call_dialect(c)->ending(out, &all.w);
    drop_whole(&all);
    return written;
}

void write_whole_last(struct buf *out, const struct call *c)
{
    if (call_dialect(c)->last != NULL)
        call_dialect(c)->last(out);
}

static void write_json(struct buf *out, struct call *c, const struct api_cluster *cluster)
{
    struct whole all = whole_of(c, cluster);
    struct api_timings timings = timings_of_all(c);
    all.w.usage.timings = &timings;
    call_dialect(c)->answer(out, &all.w);
    drop_whole(&all);
}

void write_whole(struct buf *out, struct call *c)
{
    write_json(out, c, &(struct api_cluster){0});
}

void write_answer(struct buf *out, struct call *c, const struct api_cluster *cluster)
{
    if (c->api.stream) {
        write_whole_ending(out, c, cluster);
        write_whole_last(out, c);
    } else {
        write_json(out, c, cluster);
    }
}
