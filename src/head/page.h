/* Make pages that grow with the cluster (status, actors, metrics) in slices, over as many turns of
 * the loop as necessary.
 *
 * Pages are made one at a time, in order of arrival. The first worker on a page may be some turns
 * older than the last one; a small cluster's page is made in one turn. */
#ifndef MANTA_HEAD_PAGE_H
#define MANTA_HEAD_PAGE_H

#include "head/state.h"
#include "json/write.h"

enum { PAGE_SLICE = 32 }; /* workers or actors that a part writes before it checks the turn's time */

/* Writes into p->json. */
struct page_writer {
    struct head_program *p;
    const struct owner *who;
    struct jout j;
    uint32_t index; /* progress within a part, from 0 … */
    uint64_t from;  /* … likewise */
    uint32_t listed_max; /* limit of listed workers or actors; 0: none */
};

/* Writes a slice of a part. False: call again, there is more. */
typedef bool page_part_fn(struct page_writer *w);

/* Answers with all parts; `parts` ends with NULL. `extra`: header lines, which must stay valid;
 * NULL: none. A HEAD request is answered at once, without making the page. */
void page_ask(struct head_program *p, struct http_request *r, const struct owner *who, page_part_fn *const *parts,
              const char *content_type, const char *extra);
/* The client disconnected. */
void page_gone(struct head_program *p, struct asker *asker);
/* At the program's start: no page is in progress. */
void pages_begin(struct head_program *p);
/* At the program's end, after its loop. */
void pages_end(struct head_program *p);

/* ---- status.c: parts of /manta/status ---- */
/* Writes the head, totals, scale and tenants as members of an open object. */
void part_overview(struct page_writer *w);
page_part_fn part_workers, part_actors;

#endif
