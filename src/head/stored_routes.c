/* Endpoints of stored responses: GET, DELETE, input_items and cancel below /v1/responses/. */
#include <stdlib.h>
#include <string.h>

#include "api/responses.h"
#include "base/utf8.h"
#include "head/stored.h"

/* The parsed path below /v1/responses/. */
struct asked {
    struct owner who;
    struct api_stream_id id;
    struct str rest; /* after the id: "/cancel" */
};

/* Parses the path. False: the request was refused. */
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

static bool read_limit(struct str text, uint32_t *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.n && n <= API_ITEMS_MAX; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(text.p[i] - '0');
    }
    *out = n;
    return n >= 1 && n <= API_ITEMS_MAX;
}

static void reply_items(struct head_program *p, struct http_request *r, const struct stored *s)
{
    struct str limit = http_query(r, "limit");
    struct api_items_page page = {.oldest_first = str_is(http_query(r, "order"), "asc"), .after = http_query(r, "after"), .limit = API_ITEMS,
                                  .summary = s->summary};
    struct fault f;
    buf_reset(&p->json);
    if (limit.n > 0 && !read_limit(limit, &page.limit))
        fault_set(&f, ERR_INVALID, "limit: '%.*s' is no number from 1 to %d", (int)(limit.n < 20 ? limit.n : 20), limit.p, API_ITEMS_MAX);
    else if (!api_write_input_items(&p->json, s->name, s->said->turns + s->instructed, s->said->turns_n - s->instructed, &page))
        fault_set(&f, ERR_INVALID, "after: the input of that response has no item of that name");
    else
        f.err = 0;
    if (f.err != 0)
        reply_fault(p, r, &f);
    else
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
    const struct stored *s = stored_find(p, a.id.stream, a.who.id);
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
    const struct stored *s = stored_find(p, a.id.stream, a.who.id);
    if (c != NULL && !list_linked(&c->doomed)) {
        struct api_choice choice = {.finish = FINISH_CANCELLED};
        struct api_block *blocks = c->branches_n > 0 ? backlog_blocks(&c->branches[0].whole, &choice.blocks_n) : NULL;
        choice.blocks = blocks;
        buf_reset(&p->json);
        call_dialect(c)->answer(&p->json, &(struct api_whole){.head = &c->head, .choices = &choice, .n = 1});
        free(blocks);
        reply_json(p, r, 200, NULL);
        fault_set(&c->doom, ERR_CANCELLED, "the response was cancelled by its client");
        list_push(&p->doomed, &c->doomed);
        calls_reap(p);
    } else if (s != NULL && str_is(a.rest, "/cancel")) {
        reply_stored(p, r, s); /* it had ended before */
    } else {
        refuse(p, r, not_here);
    }
}

void on_stored_delete(struct head_program *p, struct http_request *r)
{
    struct asked a;
    if (!understand(p, r, &a))
        return;
    struct stored *s = stored_find(p, a.id.stream, a.who.id);
    if (s == NULL || a.rest.n > 0) {
        refuse(p, r, not_here);
        return;
    }
    stored_forget(p, s);
    buf_reset(&p->json);
    api_write_deleted(&p->json, a.id.stream);
    reply_json(p, r, 200, NULL);
}
