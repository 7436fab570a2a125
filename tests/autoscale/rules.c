/* The two rules beside ours, as their documentation has them, with defaults, and with every doubt in their favour: their metric is read
 * from the head at the very moment of the decision (no scrape, no adapter in between), and counts what waits and what runs.
 *
 * HorizontalPodAutoscaler (kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale, "Algorithm details"; defaults of
 * "Default behavior" and autoscaling/v2 HPAScalingRules): every 15 s (--horizontal-pod-autoscaler-sync-period),
 * desired = ceil(current * metric / target), nothing within a tolerance of 0.1; more: doubling or 4 pods in 15 s, whichever is more, no
 * stabilisation; fewer: any number, but the highest recommendation of the last 300 s. With several metrics the highest counts. Not below
 * one replica (HPAScaleToZero is an alpha feature). Target: 80 % of a worker's slots in use.
 *
 * KEDA (keda.sh/docs/latest/reference/scaledobject-spec, concepts/scaling-deployments): polls every 30 s (pollingInterval) to go from
 * none to one, and back to none 300 s (cooldownPeriod) after the trigger was last active; between one and the most it feeds an HPA.
 * Target: as many requests, waiting or running, as a worker has slots. */
#include <math.h>

#include "autoscale.h"

static const double TOLERANCE = 0.1, STABLE_S = 300, COOLDOWN_S = 300, POLL_S = 30;
static const double HPA_USE = 0.8;

const char *rule_name(enum rule rule)
{
    static const char *const names[RULES] = {"manta auto", "HPA", "KEDA", "fixed"};
    return names[rule];
}

static uint32_t recommend(const struct shape *s, const uint32_t *in_system, uint32_t desired, double target)
{
    uint32_t most = 0;
    for (uint32_t m = 0; m < s->models; m++) {
        double ratio = in_system[m] / (desired * target);
        uint32_t wanted = fabs(1 - ratio) <= TOLERANCE ? desired : (uint32_t)ceil(in_system[m] / target);
        most = wanted > most ? wanted : most;
    }
    return most;
}

static uint32_t stable(struct rule_state *r, double now_s, uint32_t wanted, uint32_t desired)
{
    uint32_t most = wanted;
    r->said_s[r->said_n % 64] = now_s;
    r->said[r->said_n++ % 64] = wanted;
    for (uint32_t i = 0; i < 64 && i < r->said_n; i++) {
        if (now_s - r->said_s[i] <= STABLE_S && r->said[i] > most)
            most = r->said[i];
    }
    return wanted >= desired ? wanted : most < desired ? most : desired;
}

static uint32_t hpa(struct rule_state *r, const struct shape *s, double now_s, const uint32_t *in_system, uint32_t desired, double target)
{
    uint32_t least = s->min > 0 ? s->min : 1, at_once = desired * 2 > desired + 4 ? desired * 2 : desired + 4;
    uint32_t to = stable(r, now_s, recommend(s, in_system, desired, target), desired);
    to = to > at_once ? at_once : to;
    return to < least ? least : to > s->max ? s->max : to;
}

uint32_t rule_hpa(struct rule_state *r, const struct shape *s, double now_s, const uint32_t *in_system, uint32_t desired)
{
    return hpa(r, s, now_s, in_system, desired, HPA_USE * AS_SLOTS);
}

uint32_t rule_keda(struct rule_state *r, const struct shape *s, double now_s, const uint32_t *in_system, uint32_t desired)
{
    bool active = false, polls = now_s - r->polled_s >= POLL_S;
    for (uint32_t m = 0; m < s->models; m++)
        active = active || in_system[m] > 0;
    if (polls) {
        r->polled_s = now_s;
        r->active_s = active ? now_s : r->active_s;
        if (desired == 0 && active)
            return 1;
        if (desired > 0 && s->min == 0 && !active && now_s - r->active_s >= COOLDOWN_S)
            return 0;
    }
    return desired == 0 ? 0 : hpa(r, s, now_s, in_system, desired, AS_SLOTS);
}
