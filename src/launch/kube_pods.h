/* Translate the API's view of a StatefulSet's pods into workers. Pure.
 *
 * The caller reads pages of a PodList into a struct kube_pods, then asks for the list. A number
 * that the StatefulSet wants and that has no pod becomes PENDING, with the reason of the newest
 * event (a quota, a refusal by admission). */
#ifndef MANTA_LAUNCH_KUBE_PODS_H
#define MANTA_LAUNCH_KUBE_PODS_H

#include <jansson.h>

#include "launch/launcher.h"

struct kube_pods {
    const struct launcher *launcher; /* borrowed; for the names */
    uint32_t wanted;                 /* spec.replicas of the scale */
    struct launcher_worker *workers; /* owned, LAUNCHER_LISTED_MAX of them */
    size_t n;
};
/* Starts with no pods read; `wanted` is the number of replicas. */
void kube_pods_init(struct kube_pods *p, const struct launcher *a, uint32_t wanted);
/* Frees the list. */
void kube_pods_fini(struct kube_pods *p);
/* Reads a page. ERR_PROTOCOL: not a PodList. Pods that are no workers of the cluster are skipped. */
int kube_pods_add(struct kube_pods *p, const json_t *page, struct fault *f);
/* How many wanted numbers have no pod. */
uint32_t kube_pods_missing(const struct kube_pods *p);
/* Adds the missing numbers as PENDING. events: an EventList of the StatefulSet, or NULL. */
void kube_pods_add_missing(struct kube_pods *p, const json_t *events);
/* "metadata.continue" of a list; "" on its last page. Borrowed from the page. */
const char *kube_page_next(const json_t *page);

/* The member at a path of keys that ends with NULL, {"status", "phase", NULL}; NULL if there is
 * none. */
const json_t *kube_at(const json_t *j, const char *const *path);
/* The text at such a path; "" if there is none. */
const char *kube_text(const json_t *j, const char *const *path);
#define KUBE_PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
