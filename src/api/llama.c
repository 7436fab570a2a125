/* llama-server's dialects: /completion and /infill, whole and streamed; /tokenize, /detokenize,
 * /apply-template. */
#include "api/answer.h"
#include "api/llama.h"
#include "api/logprobs.h"
#include "api/readers.h"
#include "api/refuse.h"

#define TO(member) .at = offsetof(struct api_call, member)

/* ---- /completion ---- */

static int parse_completion(struct str body, struct api_call *out, struct api_error *e)
{
    return api_parse_own(API_LLAMA, body, out, e);
}

static int parse_infill(struct str body, struct api_call *out, struct api_error *e)
{
    return api_parse_own(API_INFILL, body, out, e);
}

static const char *stop_type(const struct api_choice *c)
{
    return c->finish == FINISH_LENGTH ? "limit" : c->stop.n > 0 ? "word" : c->finish == FINISH_NONE ? "none" : "eos";
}

/* Writes the members of every event and answer. */
static void put_piece(struct jout *j, const struct api_choice *c, bool with_ids, uint32_t predicted, uint32_t evaluated)
{
    jout_put_uint(j, "index", c->index);
    jout_put_str(j, "content", c->text);
    api_write_ids(j, "tokens", c->ids, with_ids ? c->tokens_n : 0);
    jout_put_int(j, "id_slot", -1);
    jout_put_bool(j, "stop", c->finish != FINISH_NONE);
    jout_put_uint(j, "tokens_predicted", predicted);
    jout_put_uint(j, "tokens_evaluated", evaluated);
    if (c->ids == NULL || c->logprobs == NULL)
        return;
    jout_key(j, "completion_probabilities");
    api_write_tokens(j, c);
}

/* Writes the members of the end. */
static void put_end(struct jout *j, const struct api_head *h, const struct api_choice *c, uint32_t predicted, uint32_t cached)
{
    jout_put_str(j, "model", h->model);
    api_put_echo(j, h);
    jout_put_bool(j, "has_new_line", c->breaks_line);
    jout_put_cstr(j, "stop_type", stop_type(c));
    jout_put_str(j, "stopping_word", c->stop);
    jout_put_uint(j, "tokens_cached", cached);
    jout_put_bool(j, "truncated", api_was_truncated(h, c, predicted));
}

static void write_piece(struct buf *out, const struct api_event *ev)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    jout_object(&j);
    put_piece(&j, &ev->choice, true, ev->place.tokens, ev->usage.prompt_tokens);
    api_write_timings(&j, ev->choice.timings);
    jout_object_end(&j);
    buf_puts(out, "\n\n");
}

static void write_progress(struct buf *out, const struct api_event *ev, const struct api_progress *progress)
{
    struct jout j = jout_to(out);
    buf_puts(out, "data: ");
    jout_object(&j);
    put_piece(&j, &ev->choice, false, 0, progress->total);
    api_write_progress(&j, progress);
    api_write_timings(&j, ev->choice.timings);
    jout_object_end(&j);
    buf_puts(out, "\n\n");
}

static bool write_closing(struct buf *out, const struct api_event *ev)
{
    struct jout j = jout_to(out);
    if (ev->step > 0)
        return false;
    buf_puts(out, "data: ");
    size_t from = out->n;
    jout_object(&j);
    put_piece(&j, &ev->choice, true, ev->usage.completion_tokens, ev->usage.prompt_tokens);
    put_end(&j, ev->head, &ev->choice, ev->usage.completion_tokens, ev->usage.cached_tokens);
    api_write_timings(&j, ev->choice.timings);
    jout_object_end(&j);
    api_select_fields(out, from, ev->head);
    buf_puts(out, "\n\n");
    return true;
}

static void write_one(struct jout *j, const struct api_whole *w, uint32_t i)
{
    const struct api_usage *u = &w->responses[i].usage;
    buf_puts(j->buf, j->comma ? "," : "");
    j->comma = false;
    size_t from = j->buf->n;
    jout_object(j);
    put_piece(j, &w->choices[i], w->call->with_tokens, u->completion_tokens, u->prompt_tokens);
    put_end(j, w->head, &w->choices[i], u->completion_tokens, u->cached_tokens);
    if (w->n == 1)
        api_write_timings(j, w->usage.timings);
    jout_object_end(j);
    api_select_fields(j->buf, from, w->head);
}

/* Writes one object, or an array of them for several prompts or answers. */
static void write_answer(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    if (w->n != 1)
        jout_array(&j);
    for (uint32_t i = 0; i < w->n; i++)
        write_one(&j, w, i);
    if (w->n != 1)
        jout_array_end(&j);
}

#define OF_COMPLETIONS \
    .id_prefix = "cmpl-", .streams = true, .tells_ids = true, .tells_times = true, .piece = write_piece, .closing = write_closing, .progress = write_progress, .idle = api_write_idle_comment, \
    .fault = api_write_stream_fault, .answer = write_answer, .error = api_write_error_body, .models = api_write_models, .model = api_write_model

const struct api_dialect api_dialect_llama = {.parse = parse_completion, OF_COMPLETIONS};
const struct api_dialect api_dialect_infill = {.parse = parse_infill, OF_COMPLETIONS};

/* ---- /tokenize, /detokenize, /apply-template ---- */

/* Requests the prompt's tokens or text, without computing it. */
static void ask_of_prompt(struct api_reader *r, bool text)
{
    struct sampling *s = &r->call->request.sampling;
    s->prompt_only = PROMPT_COUNTED;
    s->prompt_ids = !text;
    s->prompt_text = text;
    r->call->with_prompt = text;
}

static int check_tokenize(struct api_reader *r)
{
    struct request *q = &r->call->request;
    if (q->text.p == NULL && q->tokens_n == 0)
        return api_refuse(r->e, ERR_INVALID, "content", "is missing: the text to make tokens of");
    ask_of_prompt(r, false);
    q->sampling.prompt_scores = r->call->with_pieces;
    q->sampling.bare |= r->call->with_special ? 0 : BARE_BEGIN;
    return 0;
}

static int check_detokenize(struct api_reader *r)
{
    if (r->call->request.tokens_n == 0)
        return api_refuse(r->e, ERR_INVALID, "tokens", "is missing: the token ids to make a text of");
    if (r->call->request.text.n > 0)
        return api_refuse(r->e, ERR_INVALID, "tokens", "has texts: expected token ids only");
    ask_of_prompt(r, true);
    return 0;
}

static int read_parse_special(struct api_reader *r, const char *path, const json_t *v)
{
    bool special = true;
    int err = api_read_bool(r, path, v, &special);
    if (err == 0 && !special)
        r->call->request.sampling.bare |= BARE_TEXT;
    return err;
}

static int parse_tokenize(struct str body, struct api_call *out, struct api_error *e)
{
    enum { HERE = FIELD_FOR(API_TOKENIZE) };
    static const struct field fields[] = {
        {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
        {"content", HERE, FIELD_OTHER, .read = api_read_content},
        {"add_special", HERE, FIELD_BOOL, TO(with_special)},
        {"with_pieces", HERE, FIELD_BOOL, TO(with_pieces)},
        {"parse_special", HERE, FIELD_OTHER, .read = read_parse_special},
    };
    const struct api_plan plan = {.shape = API_TOKENIZE, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = check_tokenize};
    return api_parse_plan(&plan, body, out, e);
}

static int parse_detokenize(struct str body, struct api_call *out, struct api_error *e)
{
    enum { HERE = FIELD_FOR(API_DETOKENIZE) };
    static const struct field fields[] = {
        {"model", HERE, FIELD_TEXT, 0, API_FIELD_BYTES_MAX, TO(request.model)},
        {"tokens", HERE, FIELD_OTHER, .read = api_read_prompt},
    };
    const struct api_plan plan = {.shape = API_DETOKENIZE, .fields = fields, .n = sizeof fields / sizeof fields[0], .check = check_detokenize};
    return api_parse_plan(&plan, body, out, e);
}

static int parse_template(struct str body, struct api_call *out, struct api_error *e)
{
    int err = api_parse_own(API_TEMPLATE, body, out, e);
    if (err)
        return err;
    out->request.sampling.prompt_only = PROMPT_COUNTED;
    out->request.sampling.prompt_text = 1;
    return 0;
}

static void write_tokens(struct buf *out, const struct api_whole *w)
{
    struct jout j = jout_to(out);
    const struct api_choice *c = w->n > 0 ? &w->choices[0] : NULL;
    jout_object(&j);
    if (!w->call->with_pieces || c == NULL || c->pieces == NULL) {
        api_write_ids(&j, "tokens", w->head->prompt_ids, w->head->prompt_ids_n);
        jout_object_end(&j);
        return;
    }
    jout_key(&j, "tokens");
    jout_array(&j);
    for (uint32_t i = 0; i < c->tokens_n; i++) {
        jout_object(&j);
        jout_put_int(&j, "id", c->ids[i]);
        jout_key(&j, "piece");
        api_write_piece_text(&j, c->pieces[i * (1 + c->top_n)]);
        jout_object_end(&j);
    }
    jout_array_end(&j);
    jout_object_end(&j);
}

static void write_text(struct buf *out, const struct api_whole *w, const char *key)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_str(&j, key, w->n > 0 ? w->choices[0].text : str_n(NULL, 0));
    jout_object_end(&j);
}

static void write_content(struct buf *out, const struct api_whole *w)
{
    write_text(out, w, "content");
}

static void write_prompt(struct buf *out, const struct api_whole *w)
{
    write_text(out, w, "prompt");
}

#define OF_A_TEXT \
    .idle = api_write_idle_comment, .fault = api_write_stream_fault, .error = api_write_error_body, .models = api_write_models, .model = api_write_model

const struct api_dialect api_dialect_tokenize = {.id_prefix = "tok-", .parse = parse_tokenize, .answer = write_tokens, OF_A_TEXT};
const struct api_dialect api_dialect_detokenize = {.id_prefix = "text-", .parse = parse_detokenize, .answer = write_content, OF_A_TEXT};
const struct api_dialect api_dialect_template = {.id_prefix = "text-", .parse = parse_template, .answer = write_prompt, OF_A_TEXT};
