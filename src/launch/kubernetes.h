/* Shared by the files of the engine "kubernetes". */
#ifndef MANTA_LAUNCH_KUBERNETES_H
#define MANTA_LAUNCH_KUBERNETES_H

#include "launch/exec.h"
#include "launch/kube_api.h"
#include "launch/kube_pods.h"
#include "launch/launcher.h"

enum kube_step { KUBE_IDLE, KUBE_OPENING, KUBE_STARTING, KUBE_STOPPING, KUBE_LISTING, KUBE_RAISING, KUBE_TAKING };

struct kubernetes {
    struct launcher launcher;    /* first */
    struct kube *kube;           /* owned */
    enum kube_step step;
    uint64_t ticket;             /* of the current operation */
    struct launcher_range range; /* for start and stop */
    uint32_t conflicts, pages;   /* so far in this operation */
    struct kube_pods pods;       /* while a list is assembled */
    struct net_timer *begin;     /* owned; delays the answer of an operation to the next turn */
    struct net_timer *poll;      /* owned; replaces the watch where kubectl is used */
    struct fault late;           /* the result of the operation when `begin` fires */
    struct exec *exec;           /* owned while it runs: kubectl apply, get or delete */
    struct net_child *forward;   /* owned: kubectl port-forward */
    struct net_timer *forward_timer; /* owned; the next look at the head's pod, or restart of the forward */
    unsigned forward_port;       /* local port; 0: not known yet */
    char forward_words[200];     /* its last line */
    uint64_t raise_end_us;
    char path[900];              /* of the call in flight */
    char action[80];             /* for faults of the call in flight, if it contains a number */
};

/* ---- kube_op.c ---- */
/* Begins an operation; none MUST be in progress. */
void kubernetes_begin(struct kubernetes *k, enum kube_step step, uint64_t ticket);
/* Ends the operation with f. */
void kubernetes_end(struct kubernetes *k, const struct fault *f);
/* Ends the operation with f, from the loop. */
void kubernetes_end_later(struct kubernetes *k, const struct fault *f);

/* ---- kube_up.c ---- */
/* Applies the manifest and connects to its head through a forwarded port. */
void kubernetes_raise(struct launcher *a, uint64_t ticket);
/* Deletes all objects that carry the cluster's name. */
void kubernetes_down(struct launcher *a, uint64_t ticket);
/* Ends the forwarded port, if there is one. */
void kubernetes_drop_forward(struct kubernetes *k);

#endif
