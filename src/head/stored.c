#include "head/stored.h"

#include <stdlib.h>

#include "api/responses.h"
#include "base/alloc.h"
#include "base/utf8.h"

struct stored {
    struct list all;         /* in program->stored, the oldest first */
    uint64_t name, owner;
    const struct call *call; /* borrowed; it runs. NULL: it has ended */
    struct request *said;    /* owned; the conversation up to the answer */
    uint32_t instructed;     /* of its turns, those that are not gone on from */
    char *text;              /* owned; the answer without reasoning and calls; NULL while it runs */
    struct buf extra;        /* its calls, as struct turn has them */
    struct buf answer;       /* as JSON */
    size_t bytes;
};

static struct stored *at(struct list *pos)
{
    return list_item(pos, struct stored, all);
}

static void forget(struct head_program *p, struct stored *s)
{
    list_remove(&s->all);
    p->stored_bytes -= s->bytes;
    p->stored_n--;
    free(s->said);
    free(s->text);
    buf_fini(&s->extra);
    buf_fini(&s->answer);
    free(s);
}

static struct stored *find(struct head_program *p, uint64_t name, uint64_t owner)
{
    LIST_EACH(pos, &p->stored) {
        if (at(pos)->name == name && at(pos)->owner == owner)
            return at(pos);
    }
    return NULL;
}

static struct stored *of_call(struct head_program *p, const struct call *c)
{
    struct stored *s = find(p, c->stream, c->owner);
    return s != NULL && s->call == c ? s : NULL;
}

/* ---- room ---- */

static size_t bytes_of_owner(struct head_program *p, uint64_t owner)
{
    size_t bytes = 0;
    LIST_EACH(pos, &p->stored)
        bytes += at(pos)->owner == owner ? at(pos)->bytes : 0;
    return bytes;
}

static struct stored *gives_way(struct head_program *p, const struct stored *but)
{
    struct stored *of_most = NULL;
    size_t most = 0;
    LIST_EACH(pos, &p->stored) {
        size_t bytes = at(pos) != but && at(pos)->call == NULL ? bytes_of_owner(p, at(pos)->owner) : 0;
        if (bytes > most) {
            most = bytes;
            of_most = at(pos);
        }
    }
    return of_most;
}

/* Counts what s takes by now; others, and in the end s itself, give way. False: s is gone. */
static bool count(struct head_program *p, struct stored *s)
{
    size_t bytes = sizeof *s + (s->said != NULL ? request_bytes(s->said) : 0) + s->answer.cap + (s->text != NULL ? strlen(s->text) : 0) + s->extra.cap;
    p->stored_bytes += bytes - s->bytes;
    s->bytes = bytes;
    while (p->stored_bytes > STORED_BYTES_MAX || p->stored_n > STORED_MAX) {
        struct stored *other = gives_way(p, s);
        forget(p, other != NULL ? other : s);
        if (other == NULL)
            return false;
    }
    return true;
}

/* ---- calls ---- */

static int go_on_from(struct head_program *p, struct call *c, struct fault *f)
{
    const struct stored *s = find(p, c->api.previous, c->owner);
    if (s == NULL || s->text == NULL)
        return fault_set(f, ERR_INVALID,
                         "previous_response_id: that response is not here: it was not stored, was deleted, gave way to others, has not ended, or "
                         "was lost with its head; send the conversation as input");
    uint32_t n = s->said->turns_n - s->instructed;
    struct turn *turns = xalloc_array(n + 1, sizeof *turns);
    memcpy(turns, s->said->turns + s->instructed, n * sizeof *turns);
    turns[n] = (struct turn){.role = str_of("assistant"), .content = str_of(s->text), .extra = buf_str(&s->extra)};
    int err = api_call_continue(&c->api, turns, n + 1);
    free(turns);
    return err == 0 ? 0 : fault_set(f, ERR_INVALID, "previous_response_id: the conversation has more than %d turns", REQUEST_TURNS_MAX);
}

int stored_begin(struct head_program *p, struct call *c, struct fault *f)
{
    int err = c->api.previous != 0 ? go_on_from(p, c, f) : 0;
    if (err != 0 || !c->api.store)
        return err;
    struct stored *old = find(p, c->stream, c->owner);
    if (old != NULL)
        forget(p, old); /* its client has come with it again */
    struct stored *s = xalloc(sizeof *s);
    struct request said = {.kind = c->api.request.kind, .turns = c->api.request.turns, .turns_n = c->api.request.turns_n};
    *s = (struct stored){.name = c->stream, .owner = c->owner, .call = c, .said = request_clone(&said), .instructed = c->api.instructed,
                         .answer = buf_max(REPLY_JSON_BYTES_MAX), .extra = buf_max(REPLY_JSON_BYTES_MAX)};
    list_push(&p->stored, &s->all);
    p->stored_n++;
    (void)count(p, s);
    return 0;
}

/* What the next question goes on from. */
static void keep_answer(struct stored *s, const struct call *c)
{
    struct buf text = buf_max(REPLY_TEXT_BYTES_MAX);
    uint32_t n = 0;
    struct api_block *blocks = c->branches_n > 0 ? kept_blocks(&c->branches[0].whole, &n) : NULL;
    if (c->branches_n > 0)
        kept_text(&c->branches[0].whole, &text);
    s->text = xstr_dup(buf_str(&text));
    api_write_calls_extra(&s->extra, s->name, blocks, n);
    free(blocks);
    buf_fini(&text);
}

void stored_end(struct head_program *p, struct call *c)
{
    struct stored *s = of_call(p, c);
    if (s == NULL)
        return;
    s->call = NULL;
    keep_answer(s, c);
    write_whole(&s->answer, c);
    if (s->answer.overflowed || s->extra.overflowed)
        forget(p, s);
    else
        (void)count(p, s);
}

void stored_drop(struct head_program *p, struct call *c)
{
    struct stored *s = c->api.store ? of_call(p, c) : NULL;
    if (s != NULL)
        forget(p, s);
}

void stored_free_all(struct head_program *p)
{
    while (!list_empty(&p->stored))
        forget(p, at(p->stored.next));
}

/* ---- requests ---- */

/* What a path below /v1/responses/ names. */
struct asked {
    struct owner who;
    struct api_stream_id id;
    struct str rest; /* behind the id: "/cancel" */
};

/* False: it was refused. */
static bool understand(struct head_program *p, struct http_request *r, struct asked *out)
{
    static const char place[] = "/v1/responses/";
    struct fault f;
    struct str path = http_path(r), id = str_n(path.p + sizeof place - 1, path.n - (sizeof place - 1));
    const char *slash = memchr(id.p, '/', id.n);
    out->rest = slash != NULL ? str_n(slash, (size_t)(id.p + id.n - slash)) : str_n(NULL, 0);
    id.n -= out->rest.n;
    if (api_parse_stream_id(id, &out->id, &f) != 0 || out->id.n != 0)
        fault_set(&f, ERR_NOT_FOUND, "'%.*s' is not the id of a response", STR_ARG(utf8_head(id, 80)));
    else if (owner_of(p, r, &out->who, &f) == 0)
        return true;
    reply_fault(p, r, &f);
    return false;
}

static void refuse(struct head_program *p, struct http_request *r, const char *why)
{
    struct fault f;
    fault_set(&f, ERR_NOT_FOUND, "%s", why);
    reply_fault(p, r, &f);
}

static const char not_here[] = "no such response is here: it was not stored, was deleted, gave way to others, or was lost with its head; a stream of the last "
                               "minutes is still there with ?stream=true";

static void reply_items(struct head_program *p, struct http_request *r, const struct stored *s)
{
    buf_reset(&p->json);
    api_write_input_items(&p->json, s->name, s->said->turns + s->instructed, s->said->turns_n - s->instructed, str_is(http_query(r, "order"), "asc"));
    reply_json(p, r, 200, NULL);
}

static void reply_stored(struct head_program *p, struct http_request *r, const struct stored *s)
{
    buf_reset(&p->json);
    if (s->call == NULL)
        buf_add_str(&p->json, buf_str(&s->answer));
    else
        call_dialect(s->call)->answer(&p->json, &(struct api_whole){.head = &s->call->head, .choices = &(struct api_choice){0}, .n = 1});
    reply_json(p, r, 200, NULL);
}

void on_stored_get(struct head_program *p, struct http_request *r)
{
    struct asked a;
    struct fault f;
    if (!understand(p, r, &a))
        return;
    const struct stored *s = find(p, a.id.stream, a.who.id);
    if (str_is(http_query(r, "stream"), "true") && a.rest.n == 0) {
        if (api_parse_starting_after(http_query(r, "starting_after"), &a.id, &f) == 0)
            call_begin_resume(p, r, &a.id);
        else
            reply_fault(p, r, &f);
    } else if (s != NULL && str_is(a.rest, "/input_items")) {
        reply_items(p, r, s);
    } else if (s != NULL && a.rest.n == 0) {
        reply_stored(p, r, s);
    } else {
        refuse(p, r, not_here);
    }
}

static struct call *running(struct head_program *p, const struct asked *a)
{
    IDTAB_EACH(pos, &p->calls)
    {
        struct call *c = id_item(pos, struct call, node);
        if (c->stream == a->id.stream && c->owner == a->who.id && c->r != NULL && c->writing == NULL)
            return c;
    }
    return NULL;
}

void on_stored_post(struct head_program *p, struct http_request *r)
{
    struct asked a;
    if (!understand(p, r, &a))
        return;
    struct call *c = str_is(a.rest, "/cancel") ? running(p, &a) : NULL;
    const struct stored *s = find(p, a.id.stream, a.who.id);
    if (c != NULL && !list_linked(&c->doomed)) {
        struct api_choice choice = {.finish = FINISH_CANCELLED};
        struct api_block *blocks = c->branches_n > 0 ? kept_blocks(&c->branches[0].whole, &choice.blocks_n) : NULL;
        choice.blocks = blocks;
        buf_reset(&p->json);
        call_dialect(c)->answer(&p->json, &(struct api_whole){.head = &c->head, .choices = &choice, .n = 1});
        free(blocks);
        reply_json(p, r, 200, NULL);
        fault_set(&c->doom, ERR_CANCELLED, "the response was cancelled by its client");
        list_push(&p->doomed, &c->doomed);
        calls_reap(p);
    } else if (s != NULL && str_is(a.rest, "/cancel")) {
        reply_stored(p, r, s); /* it has ended before */
    } else {
        refuse(p, r, not_here);
    }
}

void on_stored_delete(struct head_program *p, struct http_request *r)
{
    struct asked a;
    if (!understand(p, r, &a))
        return;
    struct stored *s = find(p, a.id.stream, a.who.id);
    if (s == NULL || a.rest.n > 0) {
        refuse(p, r, not_here);
        return;
    }
    forget(p, s);
    buf_reset(&p->json);
    api_write_deleted(&p->json, a.id.stream);
    reply_json(p, r, 200, NULL);
}
