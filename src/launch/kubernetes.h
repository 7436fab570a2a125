/* What the files of the engine "kubernetes" share. */
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
    uint64_t ticket;             /* of the operation */
    struct launcher_range range; /* of start and stop */
    uint32_t conflicts, pages;   /* so far, of this operation */
    struct kube_pods pods;       /* while a list is made */
    struct net_timer *begin;     /* owned; open() answers later */
    struct net_timer *poll;      /* owned; while kubectl's world is watched */
    struct fault late;           /* what the operation ends with when `begin` rings */
    struct exec *exec;           /* owned while it runs: kubectl apply, get, delete */
    struct net_child *forward;   /* owned: kubectl port-forward */
    struct net_timer *forward_timer; /* owned: to look at the head's pod again, or to begin the forward anew */
    unsigned forward_port;       /* of this machine; 0: not known yet */
    char forward_words[200];     /* its last line */
    uint64_t raise_end_us;
    char path[900];              /* of the call in flight */
    char action[80];             /* likewise, where it has a number in it */
};

/* ERR_USAGE: not a name of Kubernetes' own kind ("" is fine). It becomes a part of a path. */
int kubernetes_check_name(const char *what, const char *name, struct fault *f);

/* ---- kube_op.c ---- */
/* An operation begins; none MUST be on its way. */
void kubernetes_begin(struct kubernetes *k, enum kube_step step, uint64_t ticket);
/* Ends the operation with f. */
void kubernetes_end(struct kubernetes *k, const struct fault *f);
/* The same, from the loop. */
void kubernetes_end_later(struct kubernetes *k, const struct fault *f);

/* ---- kube_up.c ---- */
/* Applies the manifest and reaches the head it makes, by a forwarded port. */
void kubernetes_raise(struct launcher *a, uint64_t ticket);
/* Takes away all that carries the cluster's name. */
void kubernetes_down(struct launcher *a, uint64_t ticket);
/* Ends the forwarded port, if there is one. */
void kubernetes_drop_forward(struct kubernetes *k);

#endif
