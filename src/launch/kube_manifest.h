/* What `manta up --on kubernetes` applies: the chart's objects (kubernetes.json, made by deploy/render) with this cluster's names, flags,
 * images and sizes in them; pure. */
#ifndef MANTA_LAUNCH_KUBE_MANIFEST_H
#define MANTA_LAUNCH_KUBE_MANIFEST_H

#include <jansson.h>

#include "launch/launcher.h"

/* A List with everything but pods' number of workers, which is the launcher's business, and the keys. Owned by the caller. `registry` and `tag`: of
 * the images; "": as the chart has them. */
json_t *kube_manifest(const struct launcher_config *cfg, const char *namespace, const char *registry, const char *tag);
/* The Secret with the keys of cfg->head_env, or NULL with f: ERR_USAGE, a head that others reach wants a key of clients. Its text is a
 * secret: only for the standard input of kubectl. */
json_t *kube_manifest_keys(const struct launcher_config *cfg, const char *namespace, struct fault *f);

#endif
