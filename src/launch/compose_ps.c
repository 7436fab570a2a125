/* Parse `docker ps`: the containers of a project. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "launch/compose.h"

/* Fields of a line are separated by tabs; false: some are missing. */
static bool read_container(const char **at, struct container *k)
{
    char number[24] = "", label[64] = "";
    const char *end = strchr(*at, '\n');
    const struct { char *out; size_t cap; } fields[] = {
        {k->id, sizeof k->id},           {number, sizeof number}, {label, sizeof label}, {k->service, sizeof k->service},
        {k->state, sizeof k->state},     {k->name, sizeof k->name}, {k->status, sizeof k->status},
    };
    size_t n = 0;
    *k = (struct container){0};
    for (const char *from = *at; from != NULL && n < sizeof fields / sizeof fields[0]; n++) {
        size_t bytes = strcspn(from, "\t\n");
        snprintf(fields[n].out, fields[n].cap, "%.*s", (int)bytes, from);
        from = from[bytes] == '\t' ? from + bytes + 1 : NULL;
    }
    *at = end != NULL ? end + 1 : *at + strlen(*at);
    k->number = strtoul(number, NULL, 10);
    k->ours = label[0] != '\0';
    return n == sizeof fields / sizeof fields[0];
}

static int by_number(const void *a, const void *b)
{
    const struct container *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

size_t compose_read_containers(const char *text, struct container **out)
{
    size_t n = 0;
    *out = xalloc_array(LAUNCHER_LISTED_MAX, sizeof **out);
    while (*text != '\0' && n < LAUNCHER_LISTED_MAX)
        n += read_container(&text, &(*out)[n]);
    qsort(*out, n, sizeof **out, by_number);
    return n;
}

enum launcher_state compose_state_of(const struct container *k)
{
    static const struct { const char *word; enum launcher_state state; } states[] = {
        {"running", LAUNCHER_RUNNING}, {"created", LAUNCHER_PENDING},   {"restarting", LAUNCHER_PENDING},
        {"paused", LAUNCHER_PENDING},  {"removing", LAUNCHER_ENDING},
    };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(k->state, states[i].word) == 0)
            return states[i].state;
    }
    return LAUNCHER_FAILED; /* exited, dead */
}
