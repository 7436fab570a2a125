#include "models/models.h"

#include <stdio.h>
#include <string.h>

#include "client/catalogue.h"
#include "client/client.h"
#include "client/fetch.h"
#include "client/show.h"

/* `manta models`: the catalogue, what of it lies on this machine, and which models the cluster answers for. */

static uint32_t ready_actors(const json_t *actors, const char *model)
{
    size_t i;
    json_t *a;
    uint32_t n = 0;
    json_array_foreach(json_object_get(actors, "actor_list"), i, a)
        n += strcmp(json_text(a, "model", ""), model) == 0 && strcmp(json_text(a, "state", ""), "ready") == 0;
    return n;
}

static json_t *describe(const struct catalogue_entry *e, const json_t *actors)
{
    json_t *m = catalogue_describe(e);
    json_object_set_new(m, "actors", json_integer(ready_actors(actors, e->name)));
    return m;
}

int client_models(const struct client_options *o)
{
    struct fault f = {0};
    json_t *actors = NULL, *list = json_array();
    bool head = fetch_json(o, "/manta/actors", NULL, &actors, NULL, &f) == 0; /* the catalogue is worth showing without one */
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++)
        json_array_append_new(list, describe(e, actors));
    if (o->json) {
        show_json_value(list);
    } else {
        size_t i;
        json_t *m;
        json_array_foreach(list, i, m)
            printf("%-15s %9s  %-12s %-15s %s\n", json_text(m, "name", ""), show_size(json_num(m, "bytes")).text,
                   json_text(m, "licence", ""), json_is_true(json_object_get(m, "here")) ? "on this machine" : "not here",
                   json_text(m, "about", ""));
        if (head)
            printf("%s %.0f actors ready in the cluster at %s\n", show_tag("CLUSTER"), json_num(actors, "actors"), o->head);
        else
            printf("%s no head answers at %s\n", show_tag("CLUSTER"), o->head);
    }
    json_decref(list);
    json_decref(actors);
    return 0;
}
