#include "head/page.h"

#include <stdlib.h>

#include "base/alloc.h"

struct page {
    struct asker asker;       /* first: the request's user data points here */
    struct list link;         /* in program->pages */
    struct http_request *r;
    struct owner who;
    page_part_fn *const *parts; /* the remaining parts */
    const char *content_type;
    const char *extra;        /* header lines; borrowed */
    struct page_writer w;
    struct buf text;          /* owned */
};

static void page_free(struct page *page)
{
    list_remove(&page->link);
    buf_fini(&page->text);
    free(page);
}

/* While a page is made, p->json is the page's own text. */
static void swap(struct head_program *p, struct page *page)
{
    struct buf text = page->text;
    page->text = p->json;
    p->json = text;
}

/* Returns false if the turn's time was spent before the page was complete. */
static bool make(struct head_program *p, struct page *page)
{
    bool whole = false;
    swap(p, page);
    do {
        if ((*page->parts)(&page->w)) {
            page->parts++;
            page->w.index = 0;
            page->w.from = 0;
        }
        whole = *page->parts == NULL || p->json.overflowed;
    } while (!whole && !net_turn_spent(p->loop));
    if (whole)
        reply_text(p, page->r, page->content_type, page->extra);
    swap(p, page);
    return whole;
}

static void on_pages(struct net_timer *t, void *user_data)
{
    struct head_program *p = user_data;
    do {
        if (list_empty(&p->pages))
            return;
        struct page *page = list_item(p->pages.next, struct page, link);
        if (make(p, page))
            page_free(page);
    } while (!net_turn_spent(p->loop));
    net_timer_set(t, net_now_us(p->loop));
}

void page_ask(struct head_program *p, struct http_request *r, const struct owner *who, page_part_fn *const *parts,
              const char *content_type, const char *extra)
{
    if (http_is_head(r)) {
        http_reply(r, 200, content_type, extra, str_n(NULL, 0));
        return;
    }
    struct page *page = xalloc(sizeof *page);
    *page = (struct page){.asker.kind = ASKER_PAGE, .r = r, .who = *who, .parts = parts, .content_type = content_type, .extra = extra,
                          .text = buf_max(REPLY_JSON_BYTES_MAX)};
    page->w = (struct page_writer){.p = p, .who = &page->who, .j = jout_to(&p->json)};
    http_set_user_data(r, &page->asker);
    http_forget(r);
    list_push(&p->pages, &page->link);
    net_timer_set(p->page_turn, net_now_us(p->loop));
}

void page_gone(struct head_program *p, struct asker *asker)
{
    (void)p;
    page_free((struct page *)asker);
}

void pages_begin(struct head_program *p)
{
    p->page_turn = net_timer_new(p->loop, on_pages, p);
}

void pages_end(struct head_program *p)
{
    while (!list_empty(&p->pages))
        page_free(list_item(p->pages.next, struct page, link));
}
