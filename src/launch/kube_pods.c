#include "launch/kube_pods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

const json_t *kube_at(const json_t *j, const char *const *path)
{
    for (; *path != NULL && j != NULL; path++)
        j = json_object_get(j, *path);
    return j;
}

const char *kube_text(const json_t *j, const char *const *path)
{
    const char *text = json_string_value(kube_at(j, path));
    return text != NULL ? text : "";
}

const char *kube_page_next(const json_t *page)
{
    return kube_text(page, KUBE_PATH("metadata", "continue"));
}

void kube_pods_init(struct kube_pods *p, const struct launcher *a, uint32_t wanted)
{
    *p = (struct kube_pods){.launcher = a, .wanted = wanted, .workers = xalloc_array(LAUNCHER_LISTED_MAX, sizeof *p->workers)};
}

void kube_pods_fini(struct kube_pods *p)
{
    free(p->workers);
    *p = (struct kube_pods){0};
}

/* ---- why a pod waits ---- */

static void put_reason(struct launcher_worker *w, const char *word, const char *message)
{
    snprintf(w->reason, sizeof w->reason, "%.*s%s%.*s", UTF8_HEAD(word, 60), word[0] != '\0' && message[0] != '\0' ? ": " : "",
             UTF8_HEAD(message, 180));
}

/* Returns the last line of a text. */
static const char *last_line(const char *text, size_t *out_n)
{
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    size_t from = n;
    while (from > 0 && text[from - 1] != '\n')
        from--;
    *out_n = n - from;
    return text + from;
}

/* For a container that is restarted again and again, the end of its last run says more than the
 * present wait. */
static bool put_last_words(struct launcher_worker *w, const char *word, const json_t *container)
{
    size_t n;
    const json_t *last = kube_at(container, KUBE_PATH("lastState", "terminated"));
    const char *line = last_line(kube_text(last, KUBE_PATH("message")), &n);
    int status = (int)json_integer_value(json_object_get(last, "exitCode"));
    if (last == NULL)
        return false;
    struct str words = utf8_head(str_n(line, n), 140);
    snprintf(w->reason, sizeof w->reason, "%.*s: its last run ended with status %d%s%s%.*s", UTF8_HEAD(word, 40), status,
             strcmp(kube_text(last, KUBE_PATH("reason")), "OOMKilled") == 0 ? " (killed for its memory)" : "", n > 0 ? ": " : "", STR_ARG(words));
    return true;
}

/* The reason why a container does not run: ImagePullBackOff, CrashLoopBackOff,
 * CreateContainerConfigError, with its message. */
static bool put_container_reason(struct launcher_worker *w, const json_t *statuses)
{
    size_t i;
    json_t *c;
    json_array_foreach(statuses, i, c)
    {
        const json_t *waiting = kube_at(c, KUBE_PATH("state", "waiting"));
        const char *word = kube_text(waiting, KUBE_PATH("reason")), *message = kube_text(waiting, KUBE_PATH("message"));
        if (waiting == NULL || strcmp(word, "PodInitializing") == 0)
            continue;
        if (!put_last_words(w, word, c))
            put_reason(w, word, message);
        return true;
    }
    return false;
}

static const json_t *condition(const json_t *pod, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach(kube_at(pod, KUBE_PATH("status", "conditions")), i, c)
    {
        if (strcmp(kube_text(c, KUBE_PATH("type")), type) == 0)
            return c;
    }
    return NULL;
}

static bool put_condition_reason(struct launcher_worker *w, const json_t *pod, const char *type)
{
    const json_t *c = condition(pod, type);
    if (strcmp(kube_text(c, KUBE_PATH("status")), "False") != 0)
        return false;
    put_reason(w, kube_text(c, KUBE_PATH("reason")), kube_text(c, KUBE_PATH("message")));
    return true;
}

static bool runs(const json_t *pod)
{
    size_t i;
    json_t *c;
    json_array_foreach(kube_at(pod, KUBE_PATH("status", "containerStatuses")), i, c)
    {
        if (kube_at(c, KUBE_PATH("state", "running")) != NULL)
            return true;
    }
    return false;
}

/* True if the node last reported all containers ready, yet the pod is marked not ready: the node
 * controller does that to all pods of a node that it no longer hears. (Readiness gates, set by
 * other controllers, would look the same.) */
static bool is_node_lost(const json_t *pod)
{
    size_t i;
    json_t *c;
    if (strcmp(kube_text(condition(pod, "Ready"), KUBE_PATH("status")), "True") == 0 || condition(pod, "Ready") == NULL ||
        json_array_size(kube_at(pod, KUBE_PATH("spec", "readinessGates"))) > 0)
        return false;
    json_array_foreach(kube_at(pod, KUBE_PATH("status", "containerStatuses")), i, c)
    {
        if (!json_is_true(json_object_get(c, "ready")))
            return false;
    }
    return true;
}

/* A wanted pod was deleted: by hand, by an eviction, with its node. The StatefulSet recreates it
 * once it is gone, that is, once its node has confirmed it or was deleted, too. */
static void put_replaced_reason(struct launcher_worker *w, const json_t *pod)
{
    const char *message = kube_text(condition(pod, "DisruptionTarget"), KUBE_PATH("message"));
    snprintf(w->reason, sizeof w->reason, "its pod ends on node %.*s, then another one follows%s%.*s", UTF8_HEAD(w->place, 60),
             message[0] != '\0' ? ": " : "", UTF8_HEAD(message, 100));
}

/* The StatefulSet's controller replaces failed and deleted pods, so no wanted pod stays FAILED or
 * ENDING: a wanted pod that does not run is PENDING. */
static void judge(struct launcher_worker *w, const json_t *pod, uint32_t wanted)
{
    w->state = w->index > wanted ? LAUNCHER_ENDING : LAUNCHER_PENDING;
    if (w->state == LAUNCHER_ENDING)
        return;
    if (kube_at(pod, KUBE_PATH("metadata", "deletionTimestamp")) != NULL) {
        put_replaced_reason(w, pod);
    } else if (strcmp(kube_text(pod, KUBE_PATH("status", "phase")), "Running") == 0 && runs(pod)) {
        if (is_node_lost(pod))
            snprintf(w->reason, sizeof w->reason, "node %.*s is not heard any more: `kubectl describe node %.*s` tells more; when it is gone for good, "
                     "delete it", UTF8_HEAD(w->place, 50), UTF8_HEAD(w->place, 50));
        else
            w->state = LAUNCHER_RUNNING;
    } else if (!put_container_reason(w, kube_at(pod, KUBE_PATH("status", "initContainerStatuses"))) &&
               !put_container_reason(w, kube_at(pod, KUBE_PATH("status", "containerStatuses"))) && !put_condition_reason(w, pod, "PodScheduled")) {
        put_reason(w, kube_text(pod, KUBE_PATH("status", "reason")), kube_text(pod, KUBE_PATH("status", "message")));
    }
}

static void add_pod(struct kube_pods *p, const json_t *pod)
{
    const char *name = kube_text(pod, KUBE_PATH("metadata", "name"));
    uint32_t index = launcher_index(p->launcher, name);
    if (index == 0 || p->n == LAUNCHER_LISTED_MAX)
        return;
    struct launcher_worker *w = &p->workers[p->n++];
    *w = (struct launcher_worker){.index = index};
    snprintf(w->id, sizeof w->id, "%.*s", UTF8_HEAD(name, sizeof w->id - 1));
    snprintf(w->place, sizeof w->place, "%.*s", UTF8_HEAD(kube_text(pod, KUBE_PATH("spec", "nodeName")), sizeof w->place - 1));
    judge(w, pod, p->wanted);
}

int kube_pods_add(struct kube_pods *p, const json_t *page, struct fault *f)
{
    const json_t *items = json_object_get(page, "items");
    size_t i;
    json_t *pod;
    if (!json_is_array(items))
        return fault_set(f, ERR_PROTOCOL, "the API server's answer is no list of pods: is it a Kubernetes API?");
    json_array_foreach(items, i, pod)
        add_pod(p, pod);
    return 0;
}

/* ---- pods that are not there ---- */

static bool is_there(const struct kube_pods *p, uint32_t index)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->workers[i].index == index)
            return true;
    }
    return false;
}

uint32_t kube_pods_missing(const struct kube_pods *p)
{
    uint32_t missing = 0;
    for (uint32_t index = 1; index <= p->wanted && index <= LAUNCHER_WORKERS_MAX; index++)
        missing += !is_there(p, index);
    return missing;
}

/* The API's times sort as text. */
static const char *time_of(const json_t *event)
{
    static const char *const members[] = {"lastTimestamp", "eventTime", "firstTimestamp"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *time = kube_text(event, KUBE_PATH(members[i]));
        if (time[0] != '\0')
            return time;
    }
    return kube_text(event, KUBE_PATH("metadata", "creationTimestamp"));
}

/* The newest failure to create a pod; NULL: there was none. */
static const json_t *newest_failure(const json_t *events)
{
    const json_t *newest = NULL;
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(events, "items"), i, e)
    {
        if (strcmp(kube_text(e, KUBE_PATH("reason")), "FailedCreate") == 0 && (newest == NULL || strcmp(time_of(e), time_of(newest)) >= 0))
            newest = e;
    }
    return newest;
}

/* In "create Pod manta-worker-2 in StatefulSet manta-worker failed error: pods \"manta-worker-2\"
 * is forbidden: exceeded quota: …" the controller's words come first; returns the API server's
 * after them, which give the reason. */
static const char *words_of(const json_t *event)
{
    static const char marker[] = "failed error: ";
    const char *message = kube_text(event, KUBE_PATH("message")), *at = strstr(message, marker);
    return at != NULL ? at + sizeof marker - 1 : message;
}

void kube_pods_add_missing(struct kube_pods *p, const json_t *events)
{
    const json_t *failure = newest_failure(events);
    for (uint32_t index = 1; index <= p->wanted && index <= LAUNCHER_WORKERS_MAX && p->n < LAUNCHER_LISTED_MAX; index++) {
        if (is_there(p, index))
            continue;
        struct launcher_worker *w = &p->workers[p->n++];
        *w = (struct launcher_worker){.index = index, .state = LAUNCHER_PENDING};
        struct launcher_text name = launcher_engine_name(p->launcher, index);
        snprintf(w->id, sizeof w->id, "%s", name.text);
        put_reason(w, "", failure != NULL ? words_of(failure) : "its pod is not made yet");
    }
}
