#include "wire/wire.h"

#include <stdlib.h>

#include "base/alloc.h"

/* The prompt part of `run` has the content of struct request; only these two functions know both. */

/* Both structs have the fields of WIRE_PART_sampling, by the same names. */
#define COPY_FIELD(kind, name, remark) .name = s->name,
#define NO_LIST(part, name, remark)

static struct wire_sampling sampling_to_wire(const struct sampling *s)
{
    return (struct wire_sampling){WIRE_PART_sampling(COPY_FIELD, NO_LIST, NO_LIST)};
}

static struct sampling sampling_from_wire(const struct wire_sampling *s)
{
    return (struct sampling){WIRE_PART_sampling(COPY_FIELD, NO_LIST, NO_LIST)};
}

/* Room for turns and biases in one block of the arena; both directions fill it from scratch. */
static void *lists_room(struct wire_arena *arena, size_t bytes)
{
    if (arena->p == NULL || arena->cap < bytes) { /* also for no bytes: arithmetic on NULL is undefined */
        free(arena->p);
        arena->p = xalloc(bytes + 1);
        arena->cap = bytes;
    }
    arena->n = bytes;
    return arena->p;
}

void wire_run_from_request(struct wire_run *run, const struct request *req, struct wire_arena *arena)
{
    size_t turns_bytes = req->turns_n * sizeof(struct wire_turn);
    char *room = lists_room(arena, turns_bytes + req->biases_n * sizeof(struct wire_bias));
    struct wire_turn *turns = (struct wire_turn *)(void *)room;
    struct wire_bias *biases = (struct wire_bias *)(void *)(room + turns_bytes);
    for (uint32_t i = 0; i < req->turns_n; i++)
        turns[i] = (struct wire_turn){.role = req->turns[i].role, .content = req->turns[i].content, .extra = req->turns[i].extra};
    for (uint32_t i = 0; i < req->biases_n; i++)
        biases[i] = (struct wire_bias){.token = req->biases[i].token, .bias = req->biases[i].bias, .text = req->biases[i].text};
    run->kind = req->kind;
    run->scope = req->scope;
    run->turns = turns;
    run->turns_n = req->turns_n;
    run->text = req->text;
    run->tokens = (struct wire_i32s){.p = req->tokens, .n = req->tokens_n};
    run->sampling = sampling_to_wire(&req->sampling);
    run->stops = (struct wire_strs){.p = req->stops, .n = req->stops_n};
    run->breakers = (struct wire_strs){.p = req->breakers, .n = req->breakers_n};
    run->biases = biases;
    run->biases_n = req->biases_n;
    run->form = req->form;
    run->form_text = req->form_text;
    run->tools = req->tools;
    run->tool_choice = req->tool_choice;
    run->tool_calls = req->tool_calls;
    run->split_reasoning = req->split_reasoning;
    run->continues = req->continues;
    run->closed = req->closed;
    run->template_args = req->template_args;
}

void wire_run_to_request(const struct wire_run *run, struct request *out, struct wire_arena *arena)
{
    size_t turns_bytes = run->turns_n * sizeof(struct turn), stops_bytes = (run->stops.n + run->breakers.n) * sizeof(struct str);
    char *room = lists_room(arena, turns_bytes + stops_bytes + run->biases_n * sizeof(struct logit_bias));
    struct turn *turns = (struct turn *)(void *)room;
    struct str *stops = (struct str *)(void *)(room + turns_bytes);
    struct logit_bias *biases = (struct logit_bias *)(void *)(room + turns_bytes + stops_bytes);
    for (uint32_t i = 0; i < run->turns_n; i++)
        turns[i] = (struct turn){.role = run->turns[i].role, .content = run->turns[i].content, .extra = run->turns[i].extra};
    for (uint32_t i = 0; i < run->stops.n; i++)
        stops[i] = run->stops.p[i];
    for (uint32_t i = 0; i < run->breakers.n; i++)
        stops[run->stops.n + i] = run->breakers.p[i];
    for (uint32_t i = 0; i < run->biases_n; i++)
        biases[i] = (struct logit_bias){.token = run->biases[i].token, .bias = run->biases[i].bias, .text = run->biases[i].text};
    *out = (struct request){
        .kind = run->kind,
        .scope = run->scope,
        .turns = turns,
        .turns_n = run->turns_n,
        .text = run->text,
        .tokens = run->tokens.p,
        .tokens_n = run->tokens.n,
        .sampling = sampling_from_wire(&run->sampling),
        .stops = stops,
        .stops_n = run->stops.n,
        .breakers = stops + run->stops.n,
        .breakers_n = run->breakers.n,
        .biases = biases,
        .biases_n = run->biases_n,
        .form = run->form,
        .form_text = run->form_text,
        .tools = run->tools,
        .tool_choice = run->tool_choice,
        .tool_calls = run->tool_calls,
        .split_reasoning = run->split_reasoning,
        .continues = run->continues,
        .closed = run->closed,
        .template_args = run->template_args,
    };
}
