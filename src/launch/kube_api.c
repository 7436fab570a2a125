#include "launch/kube_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"
#include "base/utf8.h"
#include "launch/exec.h"
#include "launch/web.h"

enum {
    BODY_BYTES_MAX = 64 << 10,
    ACCOUNT_FILE_BYTES = 256,
    WATCH_MS_MIN = 1000, /* pause before a watch that ended is reopened; doubles while watches end at once … */
    WATCH_MS_MAX = 60000,
    WATCH_SILENCE_MS = 330000, /* the API server ends each watch after timeoutSeconds=300 */
};

static const char ACCOUNT[] = "/var/run/secrets/kubernetes.io/serviceaccount/";

struct kube {
    struct net_loop *loop;      /* borrowed */
    struct kube_config cfg;
    struct web *web;            /* owned; NULL: kubectl */
    char namespace[KUBE_NAMESPACE_BYTES];

    kube_done_fn *on_done;      /* of the call in flight; NULL: none */
    void *user_data;
    const char *action;         /* borrowed */
    struct exec *exec;          /* owned while it runs */
    struct web_call *call;      /* the web's */
    struct buf body;            /* of the request */

    char *watched;              /* owned path; NULL: nothing is watched */
    void (*on_event)(void *);
    void *watch_data;
    struct web_call *watch;     /* the web's; NULL: waiting to be reopened */
    struct net_timer *watch_timer;
    uint32_t watch_pause_ms;
};

/* ---- opening ---- */

static const char *file_of(const char *given, const char *name, char out[ACCOUNT_FILE_BYTES])
{
    snprintf(out, ACCOUNT_FILE_BYTES, "%s%s", given[0] != '\0' ? given : ACCOUNT, given[0] != '\0' ? "" : name);
    return out;
}

static void read_namespace(struct kube *k)
{
    char path[ACCOUNT_FILE_BYTES];
    FILE *in = fopen(file_of("", "namespace", path), "re");
    if (in == NULL)
        return;
    size_t n = fread(k->namespace, 1, sizeof k->namespace - 1, in);
    fclose(in);
    k->namespace[n] = '\0';
    k->namespace[strcspn(k->namespace, "\r\n ")] = '\0';
}

static int open_web(struct kube *k, struct fault *f)
{
    char base[400], token[ACCOUNT_FILE_BYTES], ca[ACCOUNT_FILE_BYTES];
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    struct net_place place = net_place(host != NULL ? host : "", port != NULL ? (unsigned)strtoul(port, NULL, 10) : 443);
    snprintf(base, sizeof base, "%s%s", k->cfg.server[0] != '\0' ? k->cfg.server : "https://", k->cfg.server[0] != '\0' ? "" : place.text);
    file_of(k->cfg.token_file, "token", token);
    file_of(k->cfg.ca_file, "ca.crt", ca);
    if (access(token, R_OK) != 0)
        return fault_set(f, ERR_NOT_FOUND, "there is no token of a service account in '%s': mount one into the pod (the chart's launcher has it), "
                         "or give --set token-file=FILE", token);
    struct web_config cfg = {.base = base, .bearer_file = token, .ca_file = access(ca, R_OK) == 0 ? ca : NULL};
    return web_open(k->loop, &cfg, &k->web, f);
}

int kube_open(struct net_loop *l, const struct kube_config *cfg, struct kube **out, struct fault *f)
{
    struct kube *k = xalloc(sizeof *k);
    *k = (struct kube){.loop = l, .cfg = *cfg, .body = buf_max(BODY_BYTES_MAX)};
    snprintf(k->namespace, sizeof k->namespace, "%s", cfg->namespace);
    bool direct = cfg->context[0] == '\0' && (cfg->server[0] != '\0' || getenv("KUBERNETES_SERVICE_HOST") != NULL);
    int err = direct ? open_web(k, f) : 0;
    if (err != 0) {
        kube_close(k);
        return err;
    }
    if (direct && k->namespace[0] == '\0')
        read_namespace(k);
    *out = k;
    return 0;
}

void kube_close(struct kube *k)
{
    if (k == NULL)
        return;
    kube_watch(k, NULL, NULL, NULL);
    exec_cancel(k->exec);
    web_free(k->web);
    buf_fini(&k->body);
    free(k);
}

const char *kube_namespace(const struct kube *k)
{
    return k->namespace;
}

bool kube_is_direct(const struct kube *k)
{
    return k->web != NULL;
}

unsigned kube_page_items(const struct kube *k)
{
    return kube_is_direct(k) ? 100 : 16; /* a pod with its managedFields is about 10 KB */
}

/* ---- answers ---- */

static void finish(struct kube *k, const json_t *json, const struct fault *f)
{
    kube_done_fn *on_done = k->on_done;
    k->on_done = NULL;
    k->call = NULL;
    on_done(json, f, k->user_data);
}

static const char *remedy(int err)
{
    switch (err) {
    case ERR_AUTH: return ": the token was refused; is it of this cluster, and has it not expired?";
    case ERR_FORBIDDEN: return ": the chart's Role of the launcher has what is needed (deploy/helm/manta/templates/launcher-rbac.yaml)";
    case ERR_NOT_FOUND: return ": is it installed in this namespace, and does --cluster name it?";
    case ERR_BUSY: return ": the API server is busy, this is tried again";
    default: return "";
    }
}

/* Ends the call with a fault: the attempted action, the engine's words, a remedy. */
static void blame_and_wait(struct kube *k, int err, const char *words, uint32_t wait_s)
{
    struct fault f = {0};
    fault_set(&f, err, "cannot %s: %.*s%s", k->action, UTF8_HEAD(words, 280), remedy(err));
    f.wait_s = wait_s;
    finish(k, NULL, &f);
}

static void blame(struct kube *k, int err, const char *words)
{
    blame_and_wait(k, err, words, 0);
}

static void take_json(struct kube *k, struct str text)
{
    json_error_t why;
    json_t *json = json_loadb(text.p != NULL ? text.p : "", text.n, 0, &why);
    if (!json_is_object(json)) {
        blame(k, ERR_PROTOCOL, "the answer is no JSON object: is that the API server of Kubernetes, or a proxy before it?");
        json_decref(json);
        return;
    }
    struct fault none = {0};
    finish(k, json, &none);
    json_decref(json);
}

/* ---- by HTTP ---- */

static void on_answer(const struct web_answer *a, void *user_data)
{
    struct kube *k = user_data;
    if (a->fault.err != 0) {
        blame(k, a->fault.err, a->fault.text);
    } else if (a->status / 100 == 2) {
        take_json(k, a->body);
    } else {
        json_t *status = json_loadb(a->body.p != NULL ? a->body.p : "", a->body.n, 0, NULL);
        const char *message = json_string_value(json_object_get(status, "message"));
        char words[400];
        snprintf(words, sizeof words, "%.*s", UTF8_HEAD(message != NULL ? message : "it gives no reason", 380));
        if (message == NULL)
            snprintf(words, sizeof words, "the API server answers %d without a reason", a->status);
        json_decref(status);
        blame_and_wait(k, web_err(a->status), words, a->wait_s);
    }
}

static void send_by_web(struct kube *k, const char *method, const char *path)
{
    struct web_request r = {.method = method, .path = path, .body = buf_str(&k->body), .timeout_ms = KUBE_CALL_MS,
                            .on_done = on_answer, .user_data = k};
    k->call = web_send(k->web, &r);
}

/* ---- by kubectl ---- */

/* Maps kubectl's words to an error: "Error from server (Forbidden): …", or no answer; the first
 * match counts. A passing failure must not look like one that needs a person: a launcher that
 * starts while the API server is away waits for it. */
static int err_of_words(struct str words)
{
    static const struct { const char *word; int err; } table[] = {
        {"(Unauthorized)", ERR_AUTH}, {"(Forbidden)", ERR_FORBIDDEN}, {"(NotFound)", ERR_NOT_FOUND}, {"(Conflict)", ERR_IN_USE},
        {"(TooManyRequests)", ERR_BUSY}, {"(Invalid)", ERR_INVALID}, {"(BadRequest)", ERR_INVALID}, {"(ServiceUnavailable)", ERR_UNAVAILABLE},
        {"(InternalError)", ERR_UNAVAILABLE}, {"(Timeout)", ERR_TIMEOUT}, {"must be logged in", ERR_AUTH}, {"request is invalid", ERR_INVALID},
        {"certificate", ERR_FAILED}, {"deadline exceeded", ERR_TIMEOUT}, {"imeout", ERR_TIMEOUT}, {"was refused", ERR_UNAVAILABLE},
        {"connection refused", ERR_UNAVAILABLE}, {"nable to connect to the server", ERR_UNAVAILABLE},
    };
    char text[600];
    snprintf(text, sizeof text, "%.*s", STR_ARG(utf8_head(words, 590)));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strstr(text, table[i].word) != NULL)
            return table[i].err;
    }
    return ERR_FAILED;
}

static void blame_kubectl(struct kube *k, const struct exec_result *r)
{
    char words[400];
    struct str reason = exec_reason(r);
    if (r->fault.err == ERR_NOT_FOUND) {
        blame(k, ERR_UNSUPPORTED, "there is no kubectl in the path: install it, or run the launcher within the cluster (docs/kubernetes.md)");
        return;
    }
    snprintf(words, sizeof words, "%.*s", STR_ARG(utf8_head(reason.n > 0 ? reason : str_of(r->fault.text), 380)));
    blame(k, r->fault.err == ERR_FAILED ? err_of_words(reason) : r->fault.err, words);
}

static void on_kubectl(const struct exec_result *r, void *user_data)
{
    struct kube *k = user_data;
    if (r->fault.err != 0)
        blame_kubectl(k, r);
    else
        take_json(k, r->out);
}

static void start_kubectl(struct kube *k, const char *const *words, struct str input, exec_done_fn *on_done)
{
    const char *argv[16];
    size_t n = 0;
    argv[n++] = "kubectl";
    if (k->cfg.context[0] != '\0') {
        argv[n++] = "--context";
        argv[n++] = k->cfg.context;
    }
    /* kubectl makes two such requests before it fails: both fit into KUBE_CALL_MS */
    argv[n++] = "--request-timeout=9s";
    for (size_t i = 0; words[i] != NULL; i++)
        argv[n++] = words[i];
    argv[n] = NULL;
    struct exec_config cfg = {.argv = argv, .input = input, .timeout_ms = KUBE_CALL_MS, .slot = &k->exec, .on_done = on_done, .user_data = k};
    k->exec = exec_start(k->loop, &cfg);
}

static void send_by_kubectl(struct kube *k, const char *method, const char *path)
{
    bool put = strcmp(method, "PUT") == 0;
    const char *const get_words[] = {"get", "--raw", path, NULL}, *const put_words[] = {"replace", "--raw", path, "-f", "-", NULL};
    start_kubectl(k, put ? put_words : get_words, put ? buf_str(&k->body) : (struct str){0}, on_kubectl);
}

void kube_call(struct kube *k, const char *method, const char *path, const json_t *body, const char *action, kube_done_fn *on_done,
               void *user_data)
{
    MUST(k->on_done == NULL);
    k->on_done = on_done;
    k->user_data = user_data;
    k->action = action;
    buf_reset(&k->body);
    if (body != NULL) {
        char *text = json_dumps(body, JSON_COMPACT);
        MUST(text != NULL);
        MUST(buf_puts(&k->body, text) == 0);
        free(text);
    }
    if (kube_is_direct(k))
        send_by_web(k, method, path);
    else
        send_by_kubectl(k, method, path);
}

static void on_namespace(const struct exec_result *r, void *user_data)
{
    struct kube *k = user_data;
    struct fault none = {0};
    if (r->fault.err != 0) {
        blame_kubectl(k, r);
        return;
    }
    struct str name = r->out;
    while (name.n > 0 && (name.p[name.n - 1] == '\n' || name.p[name.n - 1] == ' '))
        name.n--;
    snprintf(k->namespace, sizeof k->namespace, "%.*s", STR_ARG(name.n > 0 ? utf8_head(name, sizeof k->namespace - 1) : str_of("default")));
    finish(k, NULL, &none);
}

void kube_find_namespace(struct kube *k, kube_done_fn *on_done, void *user_data)
{
    MUST(k->on_done == NULL);
    k->on_done = on_done;
    k->user_data = user_data;
    k->action = "read the namespace of the kubeconfig";
    start_kubectl(k, (const char *const[]){"config", "view", "--minify", "-o", "jsonpath={..namespace}", NULL}, (struct str){0}, on_namespace);
}

/* ---- watching ---- */

static void begin_watch(struct kube *k);

static void on_watch_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    begin_watch(user_data);
}

static void on_watch_part(struct str bytes, void *user_data)
{
    struct kube *k = user_data;
    (void)bytes;
    k->watch_pause_ms = WATCH_MS_MIN;
    k->on_event(k->watch_data);
}

/* However the watch ended, the next list shows the changes missed meanwhile. */
static void on_watch_done(const struct web_answer *a, void *user_data)
{
    struct kube *k = user_data;
    (void)a;
    k->watch = NULL;
    net_timer_set(k->watch_timer, net_now_us(k->loop) + (uint64_t)k->watch_pause_ms * 1000);
    k->watch_pause_ms = k->watch_pause_ms * 2 < WATCH_MS_MAX ? k->watch_pause_ms * 2 : WATCH_MS_MAX;
}

static void begin_watch(struct kube *k)
{
    struct web_request r = {.method = "GET", .path = k->watched, .timeout_ms = UINT32_MAX, .silence_ms = WATCH_SILENCE_MS,
                            .on_part = on_watch_part, .on_done = on_watch_done, .user_data = k};
    k->watch = web_send(k->web, &r);
}

void kube_watch(struct kube *k, const char *path, void (*on_event)(void *user_data), void *user_data)
{
    if (k->watch != NULL)
        web_cancel(k->watch);
    k->watch = NULL;
    net_timer_free(k->watch_timer);
    k->watch_timer = NULL;
    free(k->watched);
    k->watched = NULL;
    if (path == NULL)
        return;
    MUST(kube_is_direct(k));
    k->watched = xstrdup(path);
    k->on_event = on_event;
    k->watch_data = user_data;
    k->watch_pause_ms = WATCH_MS_MIN;
    k->watch_timer = net_timer_new(k->loop, on_watch_timer, k);
    begin_watch(k);
}
