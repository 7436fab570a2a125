#include "head/stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/responses.h"
#include "base/alloc.h"

static struct stored *at(struct list *pos)
{
    return list_item(pos, struct stored, all);
}

void stored_forget(struct head_program *p, struct stored *s)
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

struct stored *stored_find(struct head_program *p, uint64_t name, uint64_t owner)
{
    LIST_EACH(pos, &p->stored) {
        if (at(pos)->name == name && at(pos)->owner == owner)
            return at(pos);
    }
    return NULL;
}

static struct stored *of_call(struct head_program *p, const struct call *c)
{
    struct stored *s = stored_find(p, c->stream, c->owner);
    return s != NULL && s->call == c ? s : NULL;
}

/* ---- room ---- */

/* Bytes of one owner, in a table with open addressing: owners are numbers that no client can choose. */
struct owned {
    bool used;
    uint64_t owner;
    size_t bytes;
};

enum { OWNED_N = 4 * STORED_MAX };

static struct owned *owned_of(struct owned *table, uint64_t owner)
{
    size_t i = owner % OWNED_N;
    while (table[i].used && table[i].owner != owner)
        i = (i + 1) % OWNED_N;
    table[i].used = true;
    table[i].owner = owner;
    return &table[i];
}

/* Finds the oldest ended response of the owner with the most bytes. Takes two walks, not one per response: one large request may
 * drop hundreds in one turn of the loop. */
static struct stored *gives_way(struct head_program *p, const struct stored *but)
{
    static struct owned table[OWNED_N];
    struct stored *of_most = NULL;
    size_t most = 0;
    memset(table, 0, sizeof table);
    LIST_EACH(pos, &p->stored)
        owned_of(table, at(pos)->owner)->bytes += at(pos)->bytes;
    LIST_EACH(pos, &p->stored) {
        size_t bytes = at(pos) != but && at(pos)->call == NULL ? owned_of(table, at(pos)->owner)->bytes : 0;
        if (bytes > most) {
            most = bytes;
            of_most = at(pos);
        }
    }
    return of_most;
}

/* Counts the memory of s; other responses, and at last s itself, are dropped to make room. False: s
 * was dropped. */
static bool count(struct head_program *p, struct stored *s)
{
    size_t bytes = sizeof *s + (s->said != NULL ? request_bytes(s->said) : 0) + s->answer.cap + (s->text != NULL ? strlen(s->text) : 0) + s->extra.cap;
    p->stored_bytes += bytes - s->bytes;
    s->bytes = bytes;
    while (p->stored_bytes > STORED_BYTES_MAX || p->stored_n > STORED_MAX) {
        struct stored *other = gives_way(p, s);
        stored_forget(p, other != NULL ? other : s);
        if (other == NULL)
            return false;
    }
    return true;
}

/* ---- calls ---- */

/* Finds an ended response by name. NULL: not here, and f says so. */
static const struct stored *find_ended(struct head_program *p, struct call *c, uint64_t name, const char *field, struct fault *f)
{
    const struct stored *s = stored_find(p, name, c->owner);
    if (s != NULL && s->text != NULL)
        return s;
    snprintf(c->param, sizeof c->param, "%s", field);
    fault_set(f, ERR_INVALID,
              "%s: that response is not here: it was not stored, was deleted, gave way to others, has not ended, or "
              "was lost with its head; send the conversation as input", field);
    return NULL;
}

static int follow_references(struct head_program *p, struct call *c, struct fault *f)
{
    for (uint32_t i = 0; i < c->api.refs_n; i++) {
        const struct stored *s = find_ended(p, c, c->api.refs[i].response, "input", f);
        if (s == NULL)
            return f->err;
        api_call_refer(&c->api, &c->api.refs[i], str_of(s->text), buf_str(&s->extra));
    }
    return 0;
}

static int go_on_from(struct head_program *p, struct call *c, struct fault *f)
{
    const struct stored *s = find_ended(p, c, c->api.previous, "previous_response_id", f);
    if (s == NULL)
        return f->err;
    uint32_t n = s->said->turns_n - s->instructed;
    struct turn *turns = xalloc_array(n + 1, sizeof *turns);
    memcpy(turns, s->said->turns + s->instructed, n * sizeof *turns);
    turns[n] = (struct turn){.role = str_of("assistant"), .content = str_of(s->text), .extra = buf_str(&s->extra)};
    int err = api_call_continue(&c->api, turns, n + 1);
    free(turns);
    if (err == 0)
        return 0;
    snprintf(c->param, sizeof c->param, "previous_response_id");
    return fault_set(f, ERR_INVALID, "previous_response_id: the conversation has more than %d turns", REQUEST_TURNS_MAX);
}

int stored_begin(struct head_program *p, struct call *c, struct fault *f)
{
    int err = follow_references(p, c, f);
    if (err == 0 && c->api.previous != 0)
        err = go_on_from(p, c, f);
    if (err != 0 || !c->api.store)
        return err;
    struct stored *old = stored_find(p, c->stream, c->owner);
    if (old != NULL)
        stored_forget(p, old); /* its client has sent the request again */
    struct stored *s = xalloc(sizeof *s);
    struct request said = {.kind = c->api.request.kind, .turns = c->api.request.turns, .turns_n = c->api.request.turns_n};
    *s = (struct stored){.name = c->stream, .owner = c->owner, .call = c, .said = request_clone(&said), .instructed = c->api.instructed,
                         .summary = c->api.summary, .answer = buf_max(REPLY_JSON_BYTES_MAX), .extra = buf_max(REPLY_JSON_BYTES_MAX)};
    list_push(&p->stored, &s->all);
    p->stored_n++;
    (void)count(p, s);
    return 0;
}

/* Keeps the answer in the form that the next request continues from. */
static void keep_answer(struct stored *s, const struct call *c)
{
    struct buf text = buf_max(REPLY_TEXT_BYTES_MAX);
    uint32_t n = 0;
    struct api_block *blocks = c->branches_n > 0 ? backlog_blocks(&c->branches[0].whole, &n) : NULL;
    if (c->branches_n > 0)
        backlog_text(&c->branches[0].whole, &text);
    s->text = xstr_dup(buf_str(&text));
    api_write_answer_extra(&s->extra, s->name, blocks, n);
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
        stored_forget(p, s);
    else
        (void)count(p, s);
}

void stored_drop(struct head_program *p, struct call *c)
{
    struct stored *s = c->api.store ? of_call(p, c) : NULL;
    if (s != NULL)
        stored_forget(p, s);
}

void stored_free_all(struct head_program *p)
{
    while (!list_empty(&p->stored))
        stored_forget(p, at(p->stored.next));
}
