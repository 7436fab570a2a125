/* Call the API server of Kubernetes: within a pod by libcurl with a service account's token,
 * elsewhere by kubectl.
 *
 * kubectl brings whatever a person's kubeconfig needs (certificates, exec plug-ins, OIDC), so this
 * file handles none of it; `get --raw` and `replace --raw` send the same requests and return the
 * same JSON. The happy path is: kube_open -> kube_call -> on_done, one call at a time. It can fail
 * by: no kubectl, no libcurl, no token (kube_open fails, or the first call); no connection; a
 * refusal, in the API server's own words. Callbacks come from the loop, none after kube_close(). */
#ifndef MANTA_LAUNCH_KUBE_API_H
#define MANTA_LAUNCH_KUBE_API_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "net/net.h"

enum { KUBE_CALL_MS = 20000, KUBE_NAMESPACE_BYTES = 64 };

/* Borrowed for the life of the kube. */
struct kube_config {
    const char *namespace;  /* "": the pod's own, or the kubeconfig's */
    const char *context;    /* of the kubeconfig; "": its current one. If given, kubectl is always used */
    /* "https://10.96.0.1:443"; "": KUBERNETES_SERVICE_HOST from the environment, else kubectl */
    const char *server;
    const char *token_file; /* "": where pods have it. Read again for each call, since tokens are renewed */
    const char *ca_file;    /* "": where pods have it */
};

struct kube;
/* Sends nothing yet. ERR_UNSUPPORTED: no libcurl; ERR_INVALID: bad server address; ERR_NOT_FOUND:
 * in a pod without a token. */
int kube_open(struct net_loop *l, const struct kube_config *cfg, struct kube **out, struct fault *f);
/* Ends calls in flight without a callback. May be called from a callback. NULL is allowed. */
void kube_close(struct kube *k);
/* The namespace of the calls; "" until kube_find_namespace() has succeeded. */
const char *kube_namespace(const struct kube *k);
/* True if calls go by HTTP, which allows a watch; false by kubectl. */
bool kube_is_direct(const struct kube *k);
/* How many objects to request per page of a list: kubectl's output is bounded. */
unsigned kube_page_items(const struct kube *k);

/* json: the answer, borrowed for the call; NULL if f->err is not 0. Errors: ERR_AUTH,
 * ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_IN_USE (a conflict), ERR_BUSY (429), ERR_UNAVAILABLE,
 * ERR_INVALID, ERR_PROTOCOL (no JSON). */
typedef void kube_done_fn(const json_t *json, const struct fault *f, void *user_data);
/* Reads the namespace from the kubeconfig if none was given; json is NULL on success, too. */
void kube_find_namespace(struct kube *k, kube_done_fn *on_done, void *user_data);
/* Sends one request; one at a time. method: GET or PUT; path: "/api/v1/…"; body: NULL, or the JSON
 * to send (borrowed for the call); action: "list the workers' pods", for faults "cannot ACTION: …",
 * borrowed until on_done. */
void kube_call(struct kube *k, const char *method, const char *path, const json_t *body, const char *action, kube_done_fn *on_done,
               void *user_data);

/* Follows a watch, reopened whenever it ends; on_event comes for each piece received. Only if
 * kube_is_direct(). A NULL path ends it. */
void kube_watch(struct kube *k, const char *path, void (*on_event)(void *user_data), void *user_data);

#endif
