#include "launch/kube_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "launch/kube_pods.h"

/* The assembler puts the file into the program unchanged; CMakeLists.txt declares the dependency. */
__asm__(".section .rodata\n"
        "manta_kube_manifest:\n"
        ".incbin \"" MANTA_KUBE_MANIFEST "\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char manta_kube_manifest[] __attribute__((visibility("hidden")));

enum { TEXT_BYTES_MAX = 256 << 10 };

/* ---- names ---- */

/* Copies text, replacing each `from` by `to`. */
static void put_replaced(struct buf *out, const char *text, const char *from, const char *to)
{
    for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
        buf_add(out, text, (size_t)(at - text));
        buf_puts(out, to);
    }
    buf_puts(out, text);
}

static json_t *parse_with_names(const char *cluster, const char *namespace)
{
    struct buf named = buf_max(TEXT_BYTES_MAX), placed = buf_max(TEXT_BYTES_MAX);
    put_replaced(&named, manta_kube_manifest, "x-cluster-x", cluster);
    put_replaced(&placed, buf_cstr(&named), "x-namespace-x", namespace);
    MUST(!named.overflowed);
    MUST(!placed.overflowed);
    json_t *all = json_loads(buf_cstr(&placed), 0, NULL);
    MUST(json_is_array(all));
    buf_fini(&named);
    buf_fini(&placed);
    return all;
}

static json_t *find(json_t *all, const char *kind, const char *ending)
{
    size_t i;
    json_t *o;
    json_array_foreach(all, i, o)
    {
        const char *name = kube_text(o, KUBE_PATH("metadata", "name"));
        size_t n = strlen(name), m = strlen(ending);
        if (strcmp(kube_text(o, KUBE_PATH("kind")), kind) == 0 && n > m && strcmp(name + n - m, ending) == 0)
            return o;
    }
    return NULL;
}

/* ---- adapting the chart's objects ---- */

static bool is_flag(const char *arg, const char *flag)
{
    size_t n = strlen(flag);
    return strncmp(arg, flag, n) == 0 && (arg[n] == '\0' || arg[n] == '=');
}

/* A later flag overrides an earlier one, so the user's flags come after the chart's, except
 * addresses, which are the chart's. Flags that build a list add to earlier ones, so the chart's
 * model is removed when the user names one. */
static void add_args(json_t *args, const char *const *given)
{
    bool model = false;
    for (size_t i = 1; given != NULL && given[0] != NULL && given[i] != NULL; i++)
        model = model || is_flag(given[i], "--model");
    for (size_t i = json_array_size(args); model && i > 0; i--) {
        if (is_flag(json_string_value(json_array_get(args, i - 1)), "--model"))
            json_array_remove(args, i - 1);
    }
    for (size_t i = 1; given != NULL && given[0] != NULL && given[i] != NULL; i++) {
        bool place = is_flag(given[i], "--host") || is_flag(given[i], "--port") || is_flag(given[i], "--head");
        if (!place)
            json_array_append_new(args, json_string(given[i]));
        else if (strchr(given[i], '=') == NULL && given[i + 1] != NULL)
            i++;
    }
}

static void put_image(json_t *container, const char *registry, const char *tag)
{
    struct buf image = buf_max(1024);
    const char *now = kube_text(container, KUBE_PATH("image"));
    size_t name = strcspn(now, ":");
    buf_printf(&image, "%s%.*s%s%s", registry, (int)name, now, tag[0] != '\0' ? ":" : "", tag[0] != '\0' ? tag : now + name);
    json_object_set_new(container, "image", json_string(buf_cstr(&image)));
    buf_fini(&image);
}

static void put_sizes(json_t *container, const struct launcher_config *cfg)
{
    json_t *requests = json_object_get(json_object_get(container, "resources"), "requests"),
           *limits = json_object_get(json_object_get(container, "resources"), "limits");
    char text[32];
    if (cfg->memory_bytes > 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)cfg->memory_bytes);
        json_object_set_new(requests, "memory", json_string(text));
        snprintf(text, sizeof text, "%llu", (unsigned long long)(cfg->memory_bytes + cfg->memory_bytes / 2));
        json_object_set_new(limits, "memory", json_string(text));
    }
    if (cfg->threads > 0)
        json_object_set_new(requests, "cpu", json_integer(cfg->threads));
    if (cfg->gpus > 0)
        json_object_set_new(limits, "nvidia.com/gpu", json_integer(cfg->gpus));
}

static json_t *pod_of(const json_t *object)
{
    return json_object_get(json_object_get(json_object_get(object, "spec"), "template"), "spec");
}

json_t *kube_manifest(const struct launcher_config *cfg, const char *namespace, const char *registry, const char *tag)
{
    json_t *all = parse_with_names(cfg->cluster, namespace);
    json_t *head = find(all, "Deployment", "-head"), *workers = find(all, "StatefulSet", "-worker");
    MUST(head != NULL);
    MUST(workers != NULL);
    json_t *head_container = json_array_get(json_object_get(pod_of(head), "containers"), 0),
           *worker_container = json_array_get(json_object_get(pod_of(workers), "containers"), 0);
    json_object_del(json_object_get(workers, "spec"), "replicas");
    add_args(json_object_get(head_container, "args"), cfg->head_args);
    add_args(json_object_get(worker_container, "args"), cfg->worker_args);
    put_image(head_container, registry, tag);
    put_image(worker_container, registry, tag);
    put_sizes(worker_container, cfg);
    if (cfg->drain_ms > 0)
        json_object_set_new(pod_of(workers), "terminationGracePeriodSeconds", json_integer(cfg->drain_ms / 1000 + 10));
    return json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", all);
}

/* ---- keys ---- */

static const char *value_of(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; env != NULL && *env != NULL; env++) {
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    }
    return "";
}

json_t *kube_manifest_keys(const struct launcher_config *cfg, const char *namespace, struct fault *f)
{
    const char *api = value_of(cfg->head_env, "MANTA_API_KEY"), *join = value_of(cfg->head_env, "MANTA_JOIN_TOKEN");
    if (api[0] == '\0' || join[0] == '\0') {
        fault_set(f, ERR_USAGE, "a head in Kubernetes listens to all pods, so it wants an API key of clients and a join token of workers: give MANTA_API_KEY "
                  "and MANTA_JOIN_TOKEN in the environment, or --api-key-file and --join-token-file");
        return NULL;
    }
    /* Several keys come as KEY,KEY; the file has one per line. */
    struct buf lines = buf_max(TEXT_BYTES_MAX);
    for (const char *at = api; *at != '\0'; at++)
        buf_putc(&lines, *at == ',' ? '\n' : *at);
    char name[80];
    snprintf(name, sizeof name, "%s-keys", cfg->cluster);
    json_t *labels = json_pack("{s:s, s:s, s:s, s:s}", "app.kubernetes.io/name", "manta", "app.kubernetes.io/instance", cfg->cluster,
                               "app.kubernetes.io/part-of", "manta", "app.kubernetes.io/managed-by", "manta");
    json_t *secret = json_pack("{s:s, s:s, s:{s:s, s:s, s:o}, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Secret", "metadata", "name", name,
                               "namespace", namespace, "labels", labels, "stringData", "api-key", buf_cstr(&lines), "join-token", join);
    buf_fini(&lines);
    return secret;
}
