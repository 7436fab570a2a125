/* What the API of Kubernetes says about the pods of a StatefulSet, as workers; pure.
 *
 * The caller reads pages of a PodList into a struct kube_pods, then asks for the list: numbers that the StatefulSet wants and
 * that have no pod are PENDING, with the newest event's words for why (a quota, an admission that refused them). */
#ifndef MANTA_LAUNCH_KUBE_PODS_H
#define MANTA_LAUNCH_KUBE_PODS_H

#include <jansson.h>

#include "launch/launcher.h"

struct kube_pods {
    const struct launcher *launcher; /* borrowed: names */
    uint32_t wanted;                 /* spec.replicas of the scale */
    struct launcher_worker *workers; /* owned, LAUNCHER_LISTED_MAX of them */
    size_t n;
};
/* Nothing was read yet; so many are wanted. */
void kube_pods_init(struct kube_pods *p, const struct launcher *a, uint32_t wanted);
/* Frees the list. */
void kube_pods_fini(struct kube_pods *p);
/* Takes in a page. ERR_PROTOCOL: not a PodList. Pods that are none of the cluster's workers are left out. */
int kube_pods_add(struct kube_pods *p, const json_t *page, struct fault *f);
/* Wanted numbers without a pod. */
uint32_t kube_pods_missing(const struct kube_pods *p);
/* Adds them, as PENDING. events: an EventList of the StatefulSet, or NULL. */
void kube_pods_add_missing(struct kube_pods *p, const json_t *events);
/* "metadata.continue" of a list; "" at its end. Borrowed from the page. */
const char *kube_page_next(const json_t *page);

/* A member by its path, {"status", "phase", NULL}; NULL when there is none. And its text, or "". */
const json_t *kube_at(const json_t *j, const char *const *path);
/* The text at that path of keys, which ends with NULL; "" where there is none. */
const char *kube_text(const json_t *j, const char *const *path);
#define KUBE_PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
