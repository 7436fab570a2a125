#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "client/fetch.h"
#include "client/show.h"

/* `manta drain`, `manta cordon`, `manta uncordon`: send the command, then poll until it has taken
 * effect. */

enum {
    LOOK_MS = 200,
    PATIENCE_S = 30, /* beyond the grace time: for a worker's last messages, and for the head to notice that it left */
};

/* Returns the worker's entry in the status; NULL: none. */
static const json_t *find_worker(const json_t *status, const char *node, unsigned *out_running)
{
    size_t i;
    json_t *w, *a, *found = NULL;
    *out_running = 0;
    json_array_foreach(json_object_get(status, "worker_nodes"), i, w)
        found = strcmp(json_text(w, "node", ""), node) == 0 ? w : found;
    json_array_foreach(json_object_get(status, "actor_list"), i, a)
        *out_running += strcmp(json_text(a, "node", ""), node) == 0 ? (unsigned)json_num(a, "in_flight") : 0;
    return found;
}

static int ask(const struct client_options *o, const char *path, const char *node, uint32_t grace_s, bool move, struct fault *f)
{
    json_t *body = json_pack("{s:s}", "worker", node), *answer = NULL;
    if (body == NULL)
        return fault_set(f, ERR_INVALID, "the worker's name is not UTF-8");
    if (strcmp(path, "/manta/drain") == 0)
        json_object_set_new(body, "grace_s", json_integer(grace_s));
    if (move)
        json_object_set_new(body, "move", json_true());
    char *text = json_dumps(body, JSON_COMPACT);
    int err = fetch_json(o, path, text, &answer, NULL, f);
    free(text);
    json_decref(body);
    json_decref(answer);
    return err;
}

/* Polls the status until the worker's availability is `wanted`, or, if NULL, until it no longer drains: it
 * has left (another worker of its name may have joined by then). */
static int watch(const struct client_options *o, const char *node, const char *wanted, uint32_t patience_s, struct fault *f)
{
    uint64_t until_us = clock_us() + patience_s * 1000000ull;
    unsigned said = UINT32_MAX, running;
    for (;;) {
        json_t *status = NULL;
        int err = fetch_json(o, "/manta/status", NULL, &status, NULL, f);
        if (err != 0)
            return err;
        const json_t *w = find_worker(status, node, &running);
        bool there = w != NULL, is = there && strcmp(json_text(w, "availability", ""), wanted != NULL ? wanted : "draining") == 0;
        json_decref(status);
        if (wanted != NULL ? is : !is)
            return 0;
        if (wanted != NULL && !there)
            return fault_set(f, ERR_UNAVAILABLE, "worker '%s' has left", node);
        if (clock_us() >= until_us)
            return fault_set(f, ERR_TIMEOUT, "worker '%s' %s for %u s: what does `manta status` say of it?", node,
                             wanted != NULL ? "did not answer" : "is still there", patience_s);
        if (wanted == NULL && running != said && !o->json)
            show_said("DRAIN", "%s: %u running", node, said = running);
        fflush(stdout);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000l}, NULL);
    }
}

int client_drain(const struct client_options *o, const char *node, uint32_t grace_s, bool move)
{
    struct fault f = {0};
    uint64_t start_us = clock_us();
    int err = ask(o, "/manta/drain", node, grace_s, move, &f);
    if (err == 0)
        err = watch(o, node, NULL, grace_s + PATIENCE_S, &f);
    double s = (double)(clock_us() - start_us) / 1e6;
    if (err != 0)
        show_fault(&f);
    else if (o->json)
        printf("{\"left\":true,\"seconds\":%.1f}\n", s);
    else
        show_said("DRAIN", "%s has left after %.1f s", node, s);
    return err_exit(err);
}

int client_cordon(const struct client_options *o, const char *node, bool on)
{
    struct fault f = {0};
    int err = ask(o, on ? "/manta/cordon" : "/manta/uncordon", node, 0, false, &f);
    if (err == 0)
        err = watch(o, node, on ? "cordoned" : "serving", PATIENCE_S, &f);
    if (err != 0)
        show_fault(&f);
    else if (o->json)
        printf("{\"availability\":\"%s\"}\n", on ? "cordoned" : "serving");
    else
        show_said(on ? "CORDON" : "UNCORDON", "%s %s", node,
                  on ? "gets no new prompts; what runs there continues" : "gets prompts again");
    return err_exit(err);
}
