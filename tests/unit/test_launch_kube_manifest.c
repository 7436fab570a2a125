/* What `manta up --on kubernetes` applies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "launch/kube_manifest.h"
#include "launch/kube_pods.h"

static const json_t *find(const json_t *list, const char *kind, const char *name)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(list, "items"), i, o)
    {
        if (strcmp(kube_text(o, KUBE_PATH("kind")), kind) == 0 && strcmp(kube_text(o, KUBE_PATH("metadata", "name")), name) == 0)
            return o;
    }
    fail_msg("there is no %s %s", kind, name);
    return NULL;
}

static const json_t *container_of(const json_t *object)
{
    return json_array_get(kube_at(object, KUBE_PATH("spec", "template", "spec", "containers")), 0);
}

static unsigned has(const json_t *container, const char *arg)
{
    unsigned n = 0;
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(container, "args"), i, a)
        n += strcmp(json_string_value(a), arg) == 0;
    return n;
}

/* Given flags, sizes and names of a cluster; then its objects have them, and the launcher's number of workers is left to it. */
static void objects_have_what_was_asked_for(void **state)
{
    (void)state;
    const char *const head_args[] = {"head", "--host=127.0.0.1", "--port", "9000", "--balance=random", NULL};
    const char *const worker_args[] = {"worker", "--head", "127.0.0.1:9000", "--model=a", "--model=b", "--slots=8", NULL};
    struct launcher_config cfg = {.cluster = "blue", .head_args = head_args, .worker_args = worker_args, .memory_bytes = 4000000000u, .threads = 2,
                                  .gpus = 1, .drain_ms = 60000};
    json_t *all = kube_manifest(&cfg, "ai", "registry.example/", "1.2");
    const json_t *workers = find(all, "StatefulSet", "blue-worker"), *w = container_of(workers), *h = container_of(find(all, "Deployment", "blue-head"));
    assert_null(kube_at(workers, KUBE_PATH("spec", "replicas")));
    assert_string_equal(kube_text(workers, KUBE_PATH("metadata", "namespace")), "ai");
    assert_string_equal(kube_text(workers, KUBE_PATH("metadata", "labels", "app.kubernetes.io/instance")), "blue");
    assert_string_equal(kube_text(workers, KUBE_PATH("metadata", "labels", "app.kubernetes.io/managed-by")), "manta");
    assert_int_equal(json_integer_value(kube_at(workers, KUBE_PATH("spec", "template", "spec", "terminationGracePeriodSeconds"))), 70);
    assert_string_equal(kube_text(w, KUBE_PATH("image")), "registry.example/manta-worker:1.2");
    assert_int_equal(has(w, "--model=a") + has(w, "--model=b") + has(w, "--slots=8"), 3);
    assert_int_equal(has(w, "--model=smollm2") + has(w, "--head") + has(w, "127.0.0.1:9000"), 0);
    assert_string_equal(kube_text(w, KUBE_PATH("resources", "limits", "memory")), "6000000000");
    assert_int_equal(json_integer_value(kube_at(w, KUBE_PATH("resources", "limits", "nvidia.com/gpu"))), 1);
    assert_int_equal(has(h, "--host=0.0.0.0") + has(h, "--port=8470") + has(h, "--balance=random"), 3);
    assert_int_equal(has(h, "--host=127.0.0.1") + has(h, "9000"), 0);
    char *text = json_dumps(all, 0);
    assert_null(strstr(text, "x-cluster-x"));
    assert_null(strstr(text, "x-namespace-x"));
    assert_non_null(strstr(text, "blue-heads.ai:8470"));
    free(text);
    json_decref(all);
    cfg = (struct launcher_config){.cluster = "manta"};
    all = kube_manifest(&cfg, "default", "", "");
    assert_int_equal(has(container_of(find(all, "StatefulSet", "manta-worker")), "--model=smollm2"), 1);
    json_decref(all);
}

/* Given keys in the head's environment; then they are in the Secret, and nowhere else; without them the cluster is not made. */
static void keys_are_in_the_secret_only(void **state)
{
    (void)state;
    const char *const env[] = {"HF_TOKEN", "MANTA_API_KEY=anna: k1,ben: k2", "MANTA_JOIN_TOKEN=t", NULL};
    struct launcher_config cfg = {.cluster = "blue", .head_env = env, .worker_env = env};
    struct fault f = {0};
    json_t *keys = kube_manifest_keys(&cfg, "ai", &f), *all = kube_manifest(&cfg, "ai", "", "");
    assert_non_null(keys);
    assert_string_equal(kube_text(keys, KUBE_PATH("metadata", "name")), "blue-keys");
    assert_string_equal(kube_text(keys, KUBE_PATH("stringData", "api-key")), "anna: k1\nben: k2");
    assert_string_equal(kube_text(keys, KUBE_PATH("stringData", "join-token")), "t");
    char *text = json_dumps(all, 0);
    assert_null(strstr(text, "k1"));
    free(text);
    json_decref(keys);
    json_decref(all);
    cfg.head_env = NULL;
    assert_null(kube_manifest_keys(&cfg, "ai", &f));
    assert_int_equal(f.err, ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_have_what_was_asked_for),
        cmocka_unit_test(keys_are_in_the_secret_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
