/* Make the objects that `manta up --on kubernetes` applies: the chart's objects (kubernetes.json,
 * made by deploy/render) with this cluster's names, flags, images and sizes. Pure. */
#ifndef MANTA_LAUNCH_KUBE_MANIFEST_H
#define MANTA_LAUNCH_KUBE_MANIFEST_H

#include <jansson.h>

#include "launch/launcher.h"

/* A List of all objects except the keys, without the number of replicas, which the launcher sets.
 * The caller owns it. `registry` and `tag` of the images; "": as in the chart. */
json_t *kube_manifest(const struct launcher_config *cfg, const char *namespace, const char *registry, const char *tag);
/* The Secret with the keys of cfg->head_env. NULL with f, ERR_USAGE, if the API key or the join
 * token is missing: a head in Kubernetes listens to all pods. The text is secret: pass it only to
 * kubectl's standard input. */
json_t *kube_manifest_keys(const struct launcher_config *cfg, const char *namespace, struct fault *f);

#endif
