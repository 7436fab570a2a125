/* Parse large requests at the desk: 4 MiB of JSON take 60 ms. */
#include <stdlib.h>

#include "base/alloc.h"
#include "head/call.h"
#include "head/desk.h"

struct reading {
    struct asker asker;      /* first: the request's user data points here */
    struct desk_item desk;
    struct http_request *r;  /* NULL: the client disconnected */
    enum api_shape shape;
    reading_done_fn *on_read;
    struct buf body;         /* owned, from on_begin() on */
    struct api_call api;
    struct api_error e;
    int err;
};

static struct reading *reading_of(struct desk_item *d)
{
    return list_item(d, struct reading, desk);
}

static void reading_free(struct reading *g)
{
    buf_fini(&g->body);
    free(g);
}

static void on_begin(struct desk_item *d)
{
    struct reading *g = reading_of(d);
    g->body = http_take_body(g->r);
}

static void on_work(struct desk_item *d)
{
    struct reading *g = reading_of(d);
    g->err = api_parse(g->shape, buf_str(&g->body), &g->api, &g->e);
}

static void on_end(struct desk_item *d)
{
    struct reading *g = reading_of(d);
    struct head_program *p = d->p;
    if (g->r != NULL)
        http_set_user_data(g->r, NULL);
    if (g->r != NULL && !p->stopping)
        g->on_read(p, g->r, g->shape, g->err, &g->api, &g->e);
    else if (g->err == 0)
        api_call_fini(&g->api);
    reading_free(g);
}

void reading_begin(struct head_program *p, struct http_request *r, enum api_shape shape, reading_done_fn *on_read)
{
    struct reading *g = xalloc(sizeof *g);
    *g = (struct reading){.asker.kind = ASKER_READING, .r = r, .shape = shape, .on_read = on_read, .body = buf_max(HTTP_BODY_BYTES_MAX),
                          .desk = {.begin = on_begin, .work = on_work, .end = on_end}};
    http_set_user_data(r, &g->asker);
    desk_add(p, &g->desk);
}

void reading_gone(struct asker *asker)
{
    struct reading *g = (struct reading *)asker;
    g->r = NULL;
    if (desk_remove(&g->desk))
        reading_free(g);
}
