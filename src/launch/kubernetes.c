/* The engine "kubernetes": workers are the pods of one StatefulSet, CLUSTER-worker, that counts
 * from 1 (deploy/helm/manta).
 *
 * Kubernetes keeps the number, spec.replicas, and its controller keeps each pod alive. So start and
 * stop only set the number through the StatefulSet's subresource `scale`, with its resourceVersion:
 * a concurrent change is noticed (409), and the number is read again. A list is that number and the
 * pods; a wanted pod that does not exist is reported with the words of the controller's newest
 * event. The chart's Role permits a launcher within the cluster exactly this, and nothing on other
 * objects.
 *
 * The happy path of start(2..3) is: GET scale (1) -> PUT scale (3) -> done. It can fail by: no
 * permission, a quota or an admission that refuses the number, a conflict CONFLICTS_MAX times in a
 * row, an API server that is away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "launch/engines.h"
#include "launch/kube_api.h"
#include "launch/kube_pods.h"
#include "launch/kubernetes.h"

enum {
    PATH_BYTES = 900,
    CONFLICTS_MAX = 5,
    PAGES_MAX = 128, /* of pods: give up on an API server whose list never ends */
    POLL_MS = 5000,  /* without a watch */
};

static const struct launcher_option options[] = {
    {"namespace", "", "namespace of the cluster; default: the pod's own, or the kubeconfig's"},
    {"context", "", "context of the kubeconfig, for kubectl"},
    {"server", "", "address of the API server, for a launcher that is no pod: https://HOST:6443"},
    {"token-file", "", "file with a service account's token, read again for each call"},
    {"ca-file", "", "file with the authority of the API server's certificate"},
    {"reach", "", "HOST:PORT at which the head's Service is reached from here, for up; default: by kubectl port-forward"},
    {"registry", "", "in front of the images' names, with a slash, for up: registry.example/team/"},
    {"tag", "", "tag of the images, for up"},
    {NULL, NULL, NULL},
};

/* ---- asking ---- */

static const char *scale_path(struct kubernetes *k)
{
    snprintf(k->path, sizeof k->path, "/apis/apps/v1/namespaces/%s/statefulsets/%s-worker/scale", kube_namespace(k->kube), k->launcher.cfg.cluster);
    return k->path;
}

/* A page token is mostly URL-safe base64; escapes the rest. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~')
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* Path of the list of the cluster's worker pods; rest: "&limit=100". */
static const char *pods_path(struct kubernetes *k, const char *rest)
{
    snprintf(k->path, sizeof k->path, "/api/v1/namespaces/%s/pods?labelSelector=app.kubernetes.io%%2Finstance%%3D%s%%2C"
             "app.kubernetes.io%%2Fcomponent%%3Dworker%%2Capp.kubernetes.io%%2Fpart-of%%3Dmanta%s",
             kube_namespace(k->kube), k->launcher.cfg.cluster, rest);
    return k->path;
}

/* Reads spec.replicas of a Scale, which is omitted when 0. ERR_PROTOCOL: not a Scale. */
static int replicas_of(const json_t *scale, uint32_t *out, struct fault *f)
{
    const json_t *spec = json_object_get(scale, "spec"), *n = json_object_get(spec, "replicas");
    if (strcmp(kube_text(scale, KUBE_PATH("kind")), "Scale") != 0 || !json_is_object(spec) || (n != NULL && !json_is_integer(n)) ||
        json_integer_value(n) < 0 || json_integer_value(n) > INT32_MAX)
        return fault_set(f, ERR_PROTOCOL, "the API server's answer is no Scale of a StatefulSet: is it a Kubernetes API?");
    *out = (uint32_t)json_integer_value(n);
    return 0;
}

/* ---- opening ---- */

/* Checks a name that becomes part of a path. ERR_USAGE: not a Kubernetes name ("" is allowed). */
static int check_name(const char *what, const char *name, struct fault *f)
{
    size_t n = strlen(name);
    if (n < KUBE_NAMESPACE_BYTES && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n)
        return 0;
    return fault_set(f, ERR_USAGE, "--set %s='%.80s': a name has up to %d of a-z, 0-9 and '-'", what, name, KUBE_NAMESPACE_BYTES - 1);
}

static void tell_opened(struct kubernetes *k, const struct fault *f)
{
    k->step = KUBE_IDLE;
    k->launcher.events.opened(f, k->launcher.user_data);
}

static void on_looked(const json_t *json, const struct fault *f, void *user_data)
{
    (void)json;
    tell_opened(user_data, f);
}

/* Requests at most one pod, to see whether access is granted. */
static void look(struct kubernetes *k)
{
    kube_call(k->kube, "GET", pods_path(k, "&limit=1"), NULL, "list the pods of the workers", on_looked, k);
}

static void on_found_namespace(const json_t *json, const struct fault *f, void *user_data)
{
    (void)json;
    if (f->err != 0)
        tell_opened(user_data, f);
    else
        look(user_data);
}

static void on_begin(struct net_timer *t, void *user_data)
{
    struct kubernetes *k = user_data;
    net_timer_free(t);
    k->begin = NULL;
    if (kube_namespace(k->kube)[0] != '\0')
        look(k);
    else
        kube_find_namespace(k->kube, on_found_namespace, k);
}

static struct launcher *kubernetes_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events,
                                        void *user_data, struct fault *f)
{
    struct kubernetes *k = xalloc(sizeof *k);
    *k = (struct kubernetes){.step = KUBE_OPENING};
    struct launcher *a = &k->launcher;
    int err = launcher_init(a, &launch_kubernetes, l, cfg, events, user_data, f);
    if (err != 0) {
        free(k);
        return NULL;
    }
    struct kube_config kc = {.namespace = launcher_option_value(a, "namespace"), .context = launcher_option_value(a, "context"),
                             .server = launcher_option_value(a, "server"), .token_file = launcher_option_value(a, "token-file"),
                             .ca_file = launcher_option_value(a, "ca-file")};
    err = check_name("namespace", kc.namespace, f);
    if (err == 0)
        err = kube_open(l, &kc, &k->kube, f);
    if (err == 0 && kube_is_direct(k->kube) && kube_namespace(k->kube)[0] == '\0')
        err = fault_set(f, ERR_USAGE, "the namespace is not known here: give --set namespace=NAME");
    if (err != 0) {
        kube_close(k->kube);
        free(k);
        return NULL;
    }
    k->begin = net_timer_new(l, on_begin, k);
    net_timer_set(k->begin, net_now_us(l));
    return a;
}

/* ---- the number ---- */

static void read_scale(struct kubernetes *k);

static void on_put(const json_t *json, const struct fault *f, void *user_data)
{
    struct kubernetes *k = user_data;
    (void)json;
    if (f->err == ERR_IN_USE && ++k->conflicts < CONFLICTS_MAX)
        read_scale(k);
    else
        kubernetes_end(k, f);
}

/* The number of replicas that includes the range, or excludes it. */
static int goal_of(const struct kubernetes *k, uint32_t now, uint32_t *out, struct fault *f)
{
    *out = now;
    if (k->step == KUBE_STARTING) {
        *out = now > k->range.last ? now : k->range.last;
        return 0;
    }
    if (k->range.first > now)
        return 0;
    if (k->range.last < now)
        return fault_set(f, ERR_UNSUPPORTED, "a StatefulSet gives up its highest numbers first: worker-%u cannot go while there are %u", k->range.last, now);
    *out = k->range.first - 1;
    return 0;
}

static void on_scale(const json_t *scale, const struct fault *told, void *user_data)
{
    struct kubernetes *k = user_data;
    struct fault f = *told;
    uint32_t now = 0, goal = 0;
    if (f.err != 0 || replicas_of(scale, &now, &f) != 0 || goal_of(k, now, &goal, &f) != 0 || goal == now) {
        kubernetes_end(k, &f);
        return;
    }
    json_t *wish = json_deep_copy(scale);
    json_object_del(wish, "status");
    json_object_set_new(json_object_get(wish, "spec"), "replicas", json_integer(goal));
    snprintf(k->action, sizeof k->action, "set the number of workers to %u", goal);
    kube_call(k->kube, "PUT", scale_path(k), wish, k->action, on_put, k);
    json_decref(wish);
}

static void read_scale(struct kubernetes *k)
{
    kube_call(k->kube, "GET", scale_path(k), NULL, "read the number of workers", on_scale, k);
}

static void kubernetes_start(struct launcher *a, uint64_t ticket, struct launcher_range r)
{
    struct kubernetes *k = (struct kubernetes *)a;
    kubernetes_begin(k, KUBE_STARTING, ticket);
    k->range = r;
    read_scale(k);
}

/* The drain lasts up to the pods' terminationGracePeriodSeconds; our Role allows no faster way. */
static void kubernetes_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain)
{
    struct kubernetes *k = (struct kubernetes *)a;
    (void)drain;
    kubernetes_begin(k, KUBE_STOPPING, ticket);
    k->range = r;
    read_scale(k);
}

/* ---- the list ---- */

static void end_list(struct kubernetes *k, const struct fault *f)
{
    struct kube_pods pods = k->pods;
    k->pods = (struct kube_pods){0};
    if (f->err == 0) {
        uint64_t ticket = k->ticket;
        k->step = KUBE_IDLE;
        k->launcher.events.listed(ticket, pods.workers, pods.n, k->launcher.user_data);
    } else {
        kubernetes_end(k, f);
    }
    kube_pods_fini(&pods);
}

/* A list without events is still useful: ignores the failure. */
static void on_events(const json_t *events, const struct fault *f, void *user_data)
{
    struct kubernetes *k = user_data;
    struct fault none = {0};
    kube_pods_add_missing(&k->pods, f->err == 0 ? events : NULL);
    end_list(k, &none);
}

static void read_events(struct kubernetes *k)
{
    snprintf(k->path, sizeof k->path, "/api/v1/namespaces/%s/events?limit=%u&fieldSelector=involvedObject.kind%%3DStatefulSet%%2C"
             "involvedObject.name%%3D%s-worker%%2Creason%%3DFailedCreate", kube_namespace(k->kube), kube_page_items(k->kube), k->launcher.cfg.cluster);
    kube_call(k->kube, "GET", k->path, NULL, "read the events of the StatefulSet", on_events, k);
}

static void read_pods(struct kubernetes *k, const char *next);

static void on_pods(const json_t *page, const struct fault *told, void *user_data)
{
    struct kubernetes *k = user_data;
    struct fault f = *told;
    if (f.err == 0)
        kube_pods_add(&k->pods, page, &f);
    if (f.err == 0 && kube_page_next(page)[0] != '\0' && ++k->pages == PAGES_MAX)
        fault_set(&f, ERR_PROTOCOL, "the API server's list of pods does not end");
    if (f.err != 0)
        end_list(k, &f);
    else if (kube_page_next(page)[0] != '\0')
        read_pods(k, kube_page_next(page));
    else if (kube_pods_missing(&k->pods) > 0)
        read_events(k);
    else
        end_list(k, &f);
}

static void read_pods(struct kubernetes *k, const char *next)
{
    struct buf rest = buf_max(PATH_BYTES / 2);
    buf_printf(&rest, "&limit=%u", kube_page_items(k->kube));
    if (next[0] != '\0') {
        buf_puts(&rest, "&continue=");
        add_escaped(&rest, next);
    }
    pods_path(k, buf_cstr(&rest));
    buf_fini(&rest);
    kube_call(k->kube, "GET", k->path, NULL, "list the pods of the workers", on_pods, k);
}

static void on_listed_scale(const json_t *scale, const struct fault *told, void *user_data)
{
    struct kubernetes *k = user_data;
    struct fault f = *told;
    uint32_t wanted = 0;
    if (f.err != 0 || replicas_of(scale, &wanted, &f) != 0) {
        kubernetes_end(k, &f);
        return;
    }
    kube_pods_init(&k->pods, &k->launcher, wanted);
    k->pages = 0;
    read_pods(k, "");
}

static void kubernetes_list(struct launcher *a, uint64_t ticket)
{
    struct kubernetes *k = (struct kubernetes *)a;
    kubernetes_begin(k, KUBE_LISTING, ticket);
    kube_call(k->kube, "GET", scale_path(k), NULL, "read the number of workers", on_listed_scale, k);
}

/* ---- watching ---- */

static void on_change(void *user_data)
{
    struct kubernetes *k = user_data;
    k->launcher.events.changed(k->launcher.user_data);
}

static void on_poll(struct net_timer *t, void *user_data)
{
    struct kubernetes *k = user_data;
    net_timer_set(t, net_now_us(k->launcher.loop) + POLL_MS * 1000);
    on_change(k);
}

static void kubernetes_watch(struct launcher *a, bool on)
{
    struct kubernetes *k = (struct kubernetes *)a;
    if (kube_is_direct(k->kube)) {
        kube_watch(k->kube, on ? pods_path(k, "&watch=1&timeoutSeconds=300") : NULL, on_change, k);
        return;
    }
    net_timer_free(k->poll);
    k->poll = on ? net_timer_new(a->loop, on_poll, k) : NULL;
    if (on)
        net_timer_set(k->poll, net_now_us(a->loop) + POLL_MS * 1000);
}

static void kubernetes_free(struct launcher *a)
{
    if (a == NULL)
        return;
    struct kubernetes *k = (struct kubernetes *)a;
    net_timer_free(k->begin);
    net_timer_free(k->poll);
    exec_cancel(k->exec);
    kubernetes_drop_forward(k);
    kube_close(k->kube);
    kube_pods_fini(&k->pods);
    free(k);
}

const struct launcher_ops launch_kubernetes = {
    .engine = "kubernetes",
    .about = "the pods of a StatefulSet; within a pod by its service account, elsewhere by kubectl",
    .options = options,
    .open = kubernetes_open,
    .start = kubernetes_start,
    .remembers = true, /* spec.replicas */
    .stop = kubernetes_stop,
    .list = kubernetes_list,
    .watch = kubernetes_watch,
    .raise = kubernetes_raise,
    .down = kubernetes_down,
    .free = kubernetes_free,
};
