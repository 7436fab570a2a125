/* Pages that grow with the cluster (status, actors, metrics): made in slices, over as many turns of the loop as they need.
 *
 * One is made at a time, in the order in which they were asked for. What it tells of its first worker may be some turns older than
 * what it tells of its last one; of a small cluster it tells within one turn. */
#ifndef MANTA_HEAD_PAGE_H
#define MANTA_HEAD_PAGE_H

#include "head/state.h"
#include "json/write.h"

enum { PAGE_SLICE = 32 }; /* nodes or actors that a part writes before it lets the turn be looked at */

/* Writes into p->json. */
struct page_writer {
    struct head_program *p;
    const struct owner *who;
    struct jout j;
    uint32_t index; /* within a part: where it is, from 0 … */
    uint64_t from;  /* … and there */
    uint32_t listed_max; /* workers or actors at most; 0: all */
};

/* False: there is more, and it is called again. */
typedef bool page_part_fn(struct page_writer *w);

/* Answers with all parts; `parts` end with NULL. `extra`: header lines that stay where they are; NULL: none.
 * A HEAD is answered at once, and nothing is made for it. */
void page_ask(struct head_program *p, struct http_request *r, const struct owner *who, page_part_fn *const *parts,
              const char *content_type, const char *extra);
/* Its client has gone. */
void page_gone(struct head_program *p, struct asker *asker);
/* The program begins: no page is on its way. */
void pages_begin(struct head_program *p);
/* The program ends: after its loop. */
void pages_end(struct head_program *p);

/* ---- status.c: parts of /manta/status ---- */
/* The head, totals, scale and tenants: members of an object that is open. */
void part_overview(struct page_writer *w);
page_part_fn part_workers, part_actors;

#endif
