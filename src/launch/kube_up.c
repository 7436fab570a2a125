/* `manta up --on kubernetes` and `manta down --on kubernetes`: by kubectl, as the user of its
 * kubeconfig.
 *
 * The happy path of raise: the keys and the objects are applied (two calls, by standard input) ->
 * the head's pod runs -> `kubectl port-forward` to it -> head_at, done; the forward is kept up. It
 * can fail by: kubectl's own reasons, a pod that does not start (its reason is reported). down:
 * deletes everything with the labels instance=CLUSTER and managed-by=manta, by kind, and nothing
 * else: objects of the same name that Helm or a person made stay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "launch/exec.h"
#include "launch/kube_manifest.h"
#include "launch/kubernetes.h"

enum {
    APPLY_MS = 60000,
    HEAD_MS = 100000,       /* until the head's pod runs, including image pulls */
    LOOK_MS = 1000,
    FORWARD_MS = 1000,      /* pause before a forward that ended is restarted */
    DELETE_MS = 110000,
};

/* All kinds of objects that the chart makes for us, in the order of deletion. */
static const char KINDS[] = "statefulset,deployment,service,networkpolicy,poddisruptionbudget,secret";

/* Runs kubectl without kube_api.h, since these are not plain API requests. */
static void run(struct kubernetes *k, const char *const *words, struct str input, uint32_t timeout_ms, exec_done_fn *on_done)
{
    const char *argv[24], *context = launcher_option_value(&k->launcher, "context");
    size_t n = 0;
    argv[n++] = "kubectl";
    if (context[0] != '\0') {
        argv[n++] = "--context";
        argv[n++] = context;
    }
    argv[n++] = "--namespace";
    argv[n++] = kube_namespace(k->kube);
    for (size_t i = 0; words[i] != NULL; i++)
        argv[n++] = words[i];
    argv[n] = NULL;
    struct exec_config cfg = {.argv = argv, .input = input, .timeout_ms = timeout_ms, .slot = &k->exec, .on_done = on_done, .user_data = k};
    k->exec = exec_start(k->launcher.loop, &cfg);
}

static bool failed(struct kubernetes *k, const struct exec_result *r, const char *tried)
{
    struct fault f = {0};
    if (r->fault.err == 0)
        return false;
    exec_blame(&f, r, r->fault.err == ERR_NOT_FOUND ? ERR_UNSUPPORTED : 0, tried,
               r->fault.err == ERR_NOT_FOUND ? "install kubectl, or use the Helm chart (docs/kubernetes.md)" : NULL);
    kubernetes_end(k, &f);
    return true;
}

/* ---- the way to the head ---- */

/* "Forwarding from 127.0.0.1:41237 -> 8470" */
static void on_forward_line(struct net_child *c, struct str line, void *user_data)
{
    static const char words[] = "Forwarding from 127.0.0.1:";
    struct kubernetes *k = user_data;
    char text[200];
    (void)c;
    snprintf(text, sizeof text, "%.*s", (int)(line.n < sizeof text ? line.n : sizeof text - 1), line.p);
    if (strncmp(text, words, sizeof words - 1) != 0) {
        snprintf(k->forward_words, sizeof k->forward_words, "%s", text);
        return;
    }
    k->forward_port = (unsigned)strtoul(text + sizeof words - 1, NULL, 10);
    if (k->step != KUBE_RAISING)
        return;
    struct fault none = {0};
    k->launcher.events.head_at(net_place("127.0.0.1", k->forward_port).text, k->launcher.user_data);
    kubernetes_end(k, &none);
}

static void on_forward_exit(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct kubernetes *k = user_data;
    (void)c, (void)status, (void)signum;
    k->forward = NULL;
    if (k->step == KUBE_RAISING) {
        struct fault f = {0};
        fault_set(&f, ERR_UNAVAILABLE, "cannot reach the head by kubectl port-forward: %s", k->forward_words[0] != '\0' ? k->forward_words : "it ended");
        kubernetes_end(k, &f);
        return;
    }
    net_timer_set(k->forward_timer, net_now_us(k->launcher.loop) + FORWARD_MS * 1000);
}

static void forward(struct kubernetes *k)
{
    const char *context = launcher_option_value(&k->launcher, "context");
    char target[80], ports[32];
    struct fault f = {0};
    snprintf(target, sizeof target, "deployment/%s-head", k->launcher.cfg.cluster);
    if (k->forward_port == 0)
        snprintf(ports, sizeof ports, ":8470");
    else
        snprintf(ports, sizeof ports, "%u:8470", k->forward_port);
    const char *const argv[] = {"kubectl", "--namespace", kube_namespace(k->kube), "port-forward", "--address=127.0.0.1", target, ports,
                                context[0] != '\0' ? "--context" : NULL, context, NULL};
    struct net_child_config cfg = {.argv = argv, .on_line = on_forward_line, .on_exit = on_forward_exit, .own_group = true, .user_data = k};
    k->forward = net_spawn(k->launcher.loop, &cfg, &f);
    if (k->forward == NULL && k->step == KUBE_RAISING)
        kubernetes_end(k, &f);
    else if (k->forward == NULL)
        net_timer_set(k->forward_timer, net_now_us(k->launcher.loop) + FORWARD_MS * 1000);
}

/* Reports the head as reachable. Without a forward the user may know a way: a load balancer, a
 * node's port. */
static void reach(struct kubernetes *k)
{
    const char *address = launcher_option_value(&k->launcher, "reach");
    struct fault none = {0};
    if (address[0] == '\0') {
        forward(k);
        return;
    }
    k->launcher.events.head_at(address, k->launcher.user_data);
    kubernetes_end(k, &none);
}

static void look_at_head(struct kubernetes *k);

static void on_look_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    look_at_head(user_data);
}

/* Reads lines of "DELETED|PHASE REASON MESSAGE", one per pod, as requested below. True if the
 * head's pod runs and no former one is still ending: a forward to the Deployment might choose the
 * former one, which has other keys. `*words`: of a pod that does not run, without the part before
 * "|". */
static bool head_runs(struct str lines, struct str *words)
{
    bool runs = false, ends = false;
    *words = str_of("there is none yet");
    for (const char *at = lines.p, *end = lines.p + lines.n; at < end;) {
        const char *to = memchr(at, '\n', (size_t)(end - at)), *bar;
        to = to != NULL ? to : end;
        bar = memchr(at, '|', (size_t)(to - at));
        if (bar != NULL) {
            bool running = to - bar > 7 && memcmp(bar + 1, "Running", 7) == 0;
            ends = ends || bar != at;
            runs = runs || (bar == at && running);
            *words = bar != at ? str_of("a former one is still ending") : str_n(bar + 1, (size_t)(to - bar - 1));
        }
        at = to + 1;
    }
    return runs && !ends;
}

static void on_head_pod(const struct exec_result *r, void *user_data)
{
    struct kubernetes *k = user_data;
    struct str words;
    if (failed(k, r, "look for the head's pod"))
        return;
    if (head_runs(r->out, &words)) {
        reach(k);
    } else if (net_now_us(k->launcher.loop) > k->raise_end_us) {
        struct fault f = {0};
        fault_set(&f, ERR_TIMEOUT, "the head's pod does not run after %d s: %.*s: `kubectl describe pod` tells more", HEAD_MS / 1000,
                  STR_ARG(utf8_head(words, 300)));
        kubernetes_end(k, &f);
    } else {
        net_timer_set(k->forward_timer, net_now_us(k->launcher.loop) + LOOK_MS * 1000);
    }
}

static void look_at_head(struct kubernetes *k)
{
    char labels[160];
    if (k->step != KUBE_RAISING) {
        forward(k);
        return;
    }
    snprintf(labels, sizeof labels, "app.kubernetes.io/instance=%s,app.kubernetes.io/component=head", k->launcher.cfg.cluster);
    run(k, (const char *const[]){"get", "pods", "--selector", labels, "--output",
                                 "jsonpath={range .items[*]}{.metadata.deletionTimestamp}|{.status.phase} {.status.containerStatuses[*].state.waiting.reason} "
                                 "{.status.containerStatuses[*].state.waiting.message}"
                                 "{.status.conditions[?(@.status==\"False\")].message}{\"\\n\"}{end}", NULL},
        (struct str){0}, KUBE_CALL_MS, on_head_pod);
}

/* ---- applying ---- */

static const char *const apply_words[] = {"apply", "--server-side", "--field-manager=manta", "--force-conflicts", "--filename=-", "--output=name", NULL};

static void on_applied(const struct exec_result *r, void *user_data)
{
    struct kubernetes *k = user_data;
    if (failed(k, r, "apply the cluster's objects"))
        return;
    k->raise_end_us = net_now_us(k->launcher.loop) + HEAD_MS * 1000;
    if (k->forward_timer == NULL)
        k->forward_timer = net_timer_new(k->launcher.loop, on_look_timer, k);
    look_at_head(k);
}

static void apply(struct kubernetes *k, json_t *object, exec_done_fn *on_done)
{
    char *text = json_dumps(object, JSON_COMPACT);
    run(k, apply_words, str_of(text), APPLY_MS, on_done);
    memset(text, 0, strlen(text));
    free(text);
    json_decref(object);
}

static void on_keys(const struct exec_result *r, void *user_data)
{
    struct kubernetes *k = user_data;
    if (failed(k, r, "apply the Secret of the cluster's keys"))
        return;
    apply(k, kube_manifest(&k->launcher.cfg, kube_namespace(k->kube), launcher_option_value(&k->launcher, "registry"),
                           launcher_option_value(&k->launcher, "tag")), on_applied);
}

static bool by_kubectl(struct kubernetes *k, struct fault *f)
{
    if (!kube_is_direct(k->kube))
        return true;
    fault_set(f, ERR_UNSUPPORTED, "up and down are kubectl's business: run them where there is a kubeconfig, without --set server");
    return false;
}

void kubernetes_raise(struct launcher *a, uint64_t ticket)
{
    struct kubernetes *k = (struct kubernetes *)a;
    struct fault f = {0};
    kubernetes_begin(k, KUBE_RAISING, ticket);
    json_t *keys = by_kubectl(k, &f) ? kube_manifest_keys(&a->cfg, kube_namespace(k->kube), &f) : NULL;
    if (keys != NULL)
        apply(k, keys, on_keys);
    else
        kubernetes_end_later(k, &f);
}

/* ---- taking away ---- */

static const char *selector_of(struct kubernetes *k)
{
    snprintf(k->path, sizeof k->path, "app.kubernetes.io/instance=%s,app.kubernetes.io/part-of=manta,app.kubernetes.io/managed-by=manta",
             k->launcher.cfg.cluster);
    return k->path;
}

static void on_deleted(const struct exec_result *r, void *user_data)
{
    struct kubernetes *k = user_data;
    struct fault none = {0};
    if (failed(k, r, "take the cluster's objects away"))
        return;
    for (const char *at = r->out.p, *to; at != NULL && *at != '\0'; at = *to == '\n' ? to + 1 : to) {
        char what[160];
        to = at + strcspn(at, "\n");
        snprintf(what, sizeof what, "%.*s", (int)(to - at), at);
        if (strchr(what, '/') != NULL) /* KIND/NAME; newer kubectls also print that there was nothing */
            k->launcher.events.took(what, k->launcher.user_data);
    }
    kubernetes_end(k, &none);
}

void kubernetes_down(struct launcher *a, uint64_t ticket)
{
    struct kubernetes *k = (struct kubernetes *)a;
    struct fault f = {0};
    kubernetes_begin(k, KUBE_TAKING, ticket);
    kubernetes_drop_forward(k);
    if (!by_kubectl(k, &f)) {
        kubernetes_end_later(k, &f);
        return;
    }
    /* Foreground deletion: an object is gone after its pods, and thus after their drain. */
    run(k, (const char *const[]){"delete", KINDS, "--selector", selector_of(k), "--ignore-not-found", "--cascade=foreground", "--timeout=100s",
                                 "--output=name", NULL}, (struct str){0}, DELETE_MS, on_deleted);
}

void kubernetes_drop_forward(struct kubernetes *k)
{
    if (k->forward != NULL)
        net_child_abandon(k->forward);
    k->forward = NULL;
    net_timer_free(k->forward_timer);
    k->forward_timer = NULL;
}
