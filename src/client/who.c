#include <stdio.h>
#include <string.h>

#include "client/fetch.h"

/* Find out which program has a port. */

enum { WHO_MS = 3000 };

bool client_who(const struct client_options *o, char *out, size_t cap)
{
    struct client_options quick = *o;
    struct fault f = {0};
    json_t *status = NULL;
    quick.patience_ms = WHO_MS;
    int err = fetch_json(&quick, "/manta/status", NULL, &status, NULL, &f);
    double pid = json_num(json_object_get(status, "head"), "pid");
    bool manta = err == ERR_AUTH || pid > 0;
    if (pid > 0)
        snprintf(out, cap, "a cluster of manta (head pid %.0f, %.0f workers)", pid, json_num(status, "workers"));
    else
        snprintf(out, cap, "%s", err == ERR_AUTH ? "a head that wants another API key" : "another program");
    json_decref(status);
    return manta;
}

/* *names: all models of the actors. */
static bool has_model(const json_t *actors, const char *model, struct buf *names)
{
    size_t i;
    json_t *a;
    bool there = false;
    json_array_foreach(json_object_get(actors, "actor_list"), i, a) {
        const char *name = json_text(a, "model", "");
        there = there || strcmp(name, model) == 0;
        if (names->n == 0 || memmem(names->p, names->n, name, strlen(name)) == NULL)
            buf_printf(names, "%s%.60s", names->n > 0 ? ", " : "", name);
    }
    return there;
}

int client_serves(const struct client_options *o, const char *model, struct fault *f)
{
    json_t *actors = NULL;
    struct buf others = buf_max(200);
    int err = fetch_json(o, "/manta/actors", NULL, &actors, NULL, f);
    bool there = has_model(actors, model, &others);
    if (err == 0 && !there)
        err = fault_set(f, ERR_NOT_FOUND, "the cluster at %s has %s, not '%.100s': `manta up --model %.100s --port N` starts another one", o->head,
                        others.n > 0 ? buf_cstr(&others) : "no model", model, model);
    buf_fini(&others);
    json_decref(actors);
    return err;
}
