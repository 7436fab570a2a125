/* What the API of Kubernetes says about pods, as workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "launch/kube_pods.h"

static struct launcher launcher = {.cfg = {.cluster = "manta"}};

static json_t *parse(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, 0, &why);
    if (json == NULL)
        fail_msg("line %d: %s", why.line, why.text);
    return json;
}

static struct kube_pods read_pods(uint32_t wanted, const char *items, const char *events)
{
    struct kube_pods p;
    struct fault f = {0};
    char text[4000];
    snprintf(text, sizeof text, "{\"kind\":\"PodList\",\"items\":[%s]}", items);
    json_t *page = parse(text), *told = events != NULL ? parse(events) : NULL;
    kube_pods_init(&p, &launcher, wanted);
    assert_int_equal(kube_pods_add(&p, page, &f), 0);
    kube_pods_add_missing(&p, told);
    json_decref(page);
    json_decref(told);
    return p;
}

#define POD(name, more) "{\"metadata\":{\"name\":\"" name "\"}," more "}"
#define RUNS "\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{\"running\":{}}}]}"

static void expect(const struct launcher_worker *w, uint32_t index, enum launcher_state state, const char *reason)
{
    assert_int_equal(w->index, index);
    assert_int_equal(w->state, state);
    assert_string_equal(w->reason, reason);
}

/* Given pods of each kind; then a running one runs where it is, one that nobody wants is ending, and strangers are left out. */
static void pods_are_workers(void **state)
{
    (void)state;
    struct kube_pods p = read_pods(2, POD("manta-worker-1", RUNS) "," POD("manta-worker-2", RUNS) "," POD("manta-worker-3", RUNS) ","
                                      POD("manta-head-7f", RUNS) "," POD("other-worker-1", RUNS) "," POD("manta-worker-0", RUNS), NULL);
    assert_int_equal(p.n, 3);
    expect(&p.workers[0], 1, LAUNCHER_RUNNING, "");
    assert_string_equal(p.workers[0].id, "manta-worker-1");
    assert_string_equal(p.workers[0].place, "n1");
    expect(&p.workers[2], 3, LAUNCHER_ENDING, "");
    assert_int_equal(kube_pods_missing(&p), 0);
    kube_pods_fini(&p);
}

#define DELETED(name, more) "{\"metadata\":{\"name\":\"" name "\",\"deletionTimestamp\":\"2026-11-30T00:00:00Z\"}," more "}"

/* Given pods that are deleted, one of them beyond the number; then that one is ending, and the others wait: their numbers are wanted, and pods follow.
 * A launcher that starts anew then takes the number for what it is, not for one less. */
static void a_pod_that_is_deleted_waits_while_it_is_wanted(void **state)
{
    (void)state;
    struct kube_pods p = read_pods(
        2, DELETED("manta-worker-1", RUNS) "," DELETED("manta-worker-3", RUNS) ","
           DELETED("manta-worker-2", "\"spec\":{\"nodeName\":\"n2\"},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"DisruptionTarget\","
                                     "\"status\":\"True\",\"reason\":\"DeletionByTaintManager\",\"message\":\"Taint manager: deleting due to NoExecute "
                                     "taint\"}],\"containerStatuses\":[{\"state\":{\"running\":{}}}]}"), NULL);
    expect(&p.workers[0], 1, LAUNCHER_PENDING, "its pod ends on node n1, then another one follows");
    expect(&p.workers[1], 3, LAUNCHER_ENDING, "");
    expect(&p.workers[2], 2, LAUNCHER_PENDING, "its pod ends on node n2, then another one follows: Taint manager: deleting due to NoExecute taint");
    kube_pods_fini(&p);
}

#define STATUS(ready, containers) \
    "\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"" ready "\"}]," \
    "\"containerStatuses\":[{\"ready\":" containers ",\"state\":{\"running\":{}}}]}"

/* Given pods whose node is not heard any more: Kubernetes calls the pod not ready, while the last word of its node was that its containers are. Then it waits
 * for that node. A pod that loads its model is not ready either, and runs. */
static void a_pod_whose_node_is_lost_waits(void **state)
{
    (void)state;
    struct kube_pods p = read_pods(3, POD("manta-worker-1", STATUS("True", "true")) "," POD("manta-worker-2", STATUS("False", "false")) ","
                                      POD("manta-worker-3", STATUS("False", "true")), NULL);
    expect(&p.workers[0], 1, LAUNCHER_RUNNING, "");
    expect(&p.workers[1], 2, LAUNCHER_RUNNING, "");
    expect(&p.workers[2], 3, LAUNCHER_PENDING, "node n1 is not heard any more: `kubectl describe node n1` tells more; when it is gone for good, delete it");
    kube_pods_fini(&p);
}

/* Given pods that wait for a node, for an image, for a container that crashes; then each waits with the words of who knows. */
static void what_waits_says_why(void **state)
{
    (void)state;
    struct kube_pods p = read_pods(
        4,
        POD("manta-worker-1", "\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
                              "\"reason\":\"Unschedulable\",\"message\":\"0/3 nodes are available: 3 Insufficient memory.\"}]}") ","
        POD("manta-worker-2", "\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
                              "\"ImagePullBackOff\",\"message\":\"Back-off pulling image \\\"nowhere/manta\\\"\"}}}]}") ","
        POD("manta-worker-3", "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
                              "\"CrashLoopBackOff\",\"message\":\"back-off 5m0s\"}},\"lastState\":{\"terminated\":{\"exitCode\":5,"
                              "\"message\":\"starting\\nerror: it needs 9 GB\\n\"}}}]}") ","
        POD("manta-worker-4", "\"status\":{\"phase\":\"Running\",\"initContainerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
                              "\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\"}}}],"
                              "\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}]}"), NULL);
    expect(&p.workers[0], 1, LAUNCHER_PENDING, "Unschedulable: 0/3 nodes are available: 3 Insufficient memory.");
    expect(&p.workers[1], 2, LAUNCHER_PENDING, "ImagePullBackOff: Back-off pulling image \"nowhere/manta\"");
    expect(&p.workers[2], 3, LAUNCHER_PENDING, "CrashLoopBackOff: its last run ended with status 5: error: it needs 9 GB");
    expect(&p.workers[3], 4, LAUNCHER_PENDING, "CrashLoopBackOff: its last run ended with status 137 (killed for its memory)");
    kube_pods_fini(&p);
}

/* Given a quota that lets only one of three be made; then the others wait with the API server's words, of the newest failure. */
static void a_pod_that_cannot_be_made_waits_with_the_reason(void **state)
{
    (void)state;
    struct kube_pods p = read_pods(
        3, POD("manta-worker-1", RUNS),
        "{\"items\":[{\"reason\":\"SuccessfulCreate\",\"lastTimestamp\":\"2026-11-30T00:00:09Z\",\"message\":\"made it\"},"
        "{\"reason\":\"FailedCreate\",\"lastTimestamp\":\"2026-11-30T00:00:02Z\",\"message\":\"create Pod manta-worker-2 in StatefulSet manta-worker "
        "failed error: pods \\\"manta-worker-2\\\" is forbidden: exceeded quota: small\"},"
        "{\"reason\":\"FailedCreate\",\"lastTimestamp\":\"2026-11-30T00:00:01Z\",\"message\":\"older\"}]}");
    assert_int_equal(p.n, 3);
    expect(&p.workers[1], 2, LAUNCHER_PENDING, "pods \"manta-worker-2\" is forbidden: exceeded quota: small");
    assert_string_equal(p.workers[2].id, "manta-worker-3");
    expect(&p.workers[2], 3, LAUNCHER_PENDING, "pods \"manta-worker-2\" is forbidden: exceeded quota: small");
    kube_pods_fini(&p);
    p = read_pods(1, "", NULL);
    expect(&p.workers[0], 1, LAUNCHER_PENDING, "its pod is not made yet");
    kube_pods_fini(&p);
}

/* Given answers that are no lists, or lists of nonsense; then they are refused or left out, and nothing grows beyond its bound. */
static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "{\"items\":{}}", "{\"items\":7}"};
    struct fault f = {0};
    struct kube_pods p;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *page = parse(texts[i]);
        kube_pods_init(&p, &launcher, 0);
        assert_int_equal(kube_pods_add(&p, page, &f), ERR_PROTOCOL);
        kube_pods_fini(&p);
        json_decref(page);
    }
    p = read_pods(0, "7,null,{},{\"metadata\":7},{\"metadata\":{\"name\":[]}},{\"metadata\":{\"name\":\"manta-worker-1\"},\"status\":[]}", NULL);
    assert_int_equal(p.n, 1);
    kube_pods_fini(&p);
    kube_pods_init(&p, &launcher, 1);
    json_t *page = parse("{\"items\":[" POD("manta-worker-1", RUNS) "]}");
    for (int i = 0; i < 2 * LAUNCHER_LISTED_MAX; i++)
        assert_int_equal(kube_pods_add(&p, page, &f), 0);
    assert_int_equal(p.n, LAUNCHER_LISTED_MAX);
    kube_pods_fini(&p);
    json_decref(page);
    p = read_pods(1000000000, "", NULL);
    assert_int_equal(p.n, LAUNCHER_WORKERS_MAX);
    kube_pods_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_are_workers),
        cmocka_unit_test(a_pod_that_is_deleted_waits_while_it_is_wanted),
        cmocka_unit_test(a_pod_whose_node_is_lost_waits),
        cmocka_unit_test(what_waits_says_why),
        cmocka_unit_test(a_pod_that_cannot_be_made_waits_with_the_reason),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
