#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "client/fetch.h"
#include "client/show.h"

/* `manta health`: the exit status for a container's health check. */

static const json_t *find_node(const json_t *status, const char *node)
{
    size_t i;
    json_t *w;
    json_array_foreach(json_object_get(status, "worker_nodes"), i, w)
    {
        if (strcmp(json_text(w, "node", ""), node) == 0)
            return w;
    }
    return NULL;
}

static bool is_ready(const json_t *status, const char *node)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(status, "actor_list"), i, a)
    {
        if (strcmp(json_text(a, "node", ""), node) == 0 && strcmp(json_text(a, "state", ""), "ready") == 0)
            return true;
    }
    return false;
}

static int judge_worker(const json_t *status, const char *node, struct fault *f)
{
    const json_t *w = find_node(status, node);
    if (w == NULL && json_array_size(json_object_get(status, "worker_nodes")) == 0)
        return fault_set(f, ERR_UNAVAILABLE, "%s has not joined the head", node);
    if (w == NULL)
        return fault_set(f, ERR_UNAVAILABLE, "%s has not joined the head; %s has, for example: --node names another worker than this host's", node,
                         json_text(json_array_get(json_object_get(status, "worker_nodes"), 0), "node", "?"));
    const char *state = json_text(w, "state", "?");
    bool asked = strcmp(state, "cordoned") == 0 || strcmp(state, "draining") == 0; /* an operator wants it so */
    if (strcmp(state, "ok") != 0 && strcmp(state, "slow") != 0 && !asked)
        return fault_set(f, ERR_UNAVAILABLE, "%s is %s: %s", node, state, json_text(w, "reason", ""));
    if (!is_ready(status, node))
        return fault_set(f, ERR_UNAVAILABLE, "%s has no actor that is ready: is its model still loading?", node);
    return 0;
}

static void show_health(const struct client_options *o, const json_t *status, const char *node, const struct fault *f)
{
    if (o->json) {
        json_t *report = json_pack("{s:b}", "ok", f->err == 0);
        if (node[0] != '\0')
            json_object_set_new(report, "worker", json_string(node));
        if (status != NULL) {
            json_object_set_new(report, "workers", json_integer((json_int_t)json_num(status, "workers")));
            json_object_set_new(report, "actors", json_integer((json_int_t)json_num(status, "actors")));
        }
        if (f->err != 0)
            json_object_set_new(report, "error", json_string(f->text));
        show_json_value(report);
        json_decref(report);
    } else if (f->err != 0) {
        show_fault(f);
    } else if (node[0] != '\0') {
        printf("ok: %s has joined and is ready\n", node);
    } else {
        printf("ok: the head answers; %.0f workers, %.0f actors ready\n", json_num(status, "workers"), json_num(status, "actors"));
    }
}

int client_health(const struct client_options *o, bool worker)
{
    char node[NAME_CAP] = "";
    struct fault f = {0};
    json_t *status = NULL;
    int err = fetch_json(o, "/manta/status", NULL, &status, NULL, &f);
    if (worker) {
        name_of_node(o->node, node);
    }
    if (err == 0 && worker)
        err = judge_worker(status, node, &f);
    show_health(o, status, node, &f);
    json_decref(status);
    return err == 0 ? 0 : 1;
}

int client_health_told(const struct client_options *o, const char *node, const struct fault *f)
{
    show_health(o, NULL, node, f);
    return f->err == 0 ? 0 : 1;
}
