/* Calls to the API server of Kubernetes: by libcurl with a service account's token within a pod, by kubectl elsewhere.
 *
 * kubectl brings whatever a person's kubeconfig needs (certificates, exec plug-ins, OIDC), so none of that is here; `get --raw` and
 * `replace --raw` send the same requests, and the answers are the same JSON. The happy path is: kube_open -> kube_call -> on_done, one call at a
 * time. It can fail by: no kubectl, no libcurl, no token (kube_open says so, or the first call does); no connection; a refusal, in the
 * API server's own words. Callbacks come from the loop, none after kube_close(). */
#ifndef MANTA_LAUNCH_KUBE_API_H
#define MANTA_LAUNCH_KUBE_API_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "net/net.h"

enum { KUBE_CALL_MS = 20000, KUBE_NAMESPACE_BYTES = 64 };

/* Borrowed for the life of the kube. */
struct kube_config {
    const char *namespace;  /* "": the pod's own, or that of the kubeconfig */
    const char *context;    /* of the kubeconfig; "": its current one. Given: always kubectl */
    const char *server;     /* "https://10.96.0.1:443"; "": as the environment says, KUBERNETES_SERVICE_HOST, else kubectl */
    const char *token_file; /* "": where pods have it. Read again for each call: tokens are renewed */
    const char *ca_file;    /* likewise */
};

struct kube;
/* ERR_UNSUPPORTED: no libcurl; ERR_INVALID: server is no address; ERR_NOT_FOUND: in a pod without a token. Sends nothing yet. */
int kube_open(struct net_loop *l, const struct kube_config *cfg, struct kube **out, struct fault *f);
/* What runs ends without callback. Also from a callback. NULL is fine. */
void kube_close(struct kube *k);
/* Of the calls; "" until kube_find_namespace() has ended well. */
const char *kube_namespace(const struct kube *k);
/* By HTTP, which can be watched. */
bool kube_is_direct(const struct kube *k);
/* How many objects a list may bring at once: kubectl's output has a bound. */
unsigned kube_page_items(const struct kube *k);

/* json: the answer, borrowed for the call; NULL where f->err is not 0. ERR_AUTH, ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_IN_USE (a conflict),
 * ERR_BUSY (429), ERR_UNAVAILABLE, ERR_INVALID, ERR_PROTOCOL (no JSON). */
typedef void kube_done_fn(const json_t *json, const struct fault *f, void *user_data);
/* Asks for the namespace where none is given; json is NULL also when it went well. */
void kube_find_namespace(struct kube *k, kube_done_fn *on_done, void *user_data);
/* method: GET or PUT; path: "/api/v1/…"; body: NULL, or what is sent (borrowed for the call); action: "list the workers' pods", for
 * faults: "cannot ACTION: …", borrowed until on_done. One at a time. */
void kube_call(struct kube *k, const char *method, const char *path, const json_t *body, const char *action, kube_done_fn *on_done,
               void *user_data);

/* Follows a watch, begun anew when it ends; on_event for each piece that comes. Only where kube_is_direct(). NULL ends it. */
void kube_watch(struct kube *k, const char *path, void (*on_event)(void *user_data), void *user_data);

#endif
