/* Names and options, shared by all engines. */
#include "launch/launcher.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "base/utf8.h"

enum { OPTIONS_MAX = 64, LIST_BYTES_MAX = 400 };

/* ---- checks ---- */

int launcher_check_cluster(const char *cluster, struct fault *f)
{
    static const char *const letters = "abcdefghijklmnopqrstuvwxyz", *const all = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t n = strlen(cluster);
    if (n > 0 && n < LAUNCHER_CLUSTER_BYTES && strchr(letters, cluster[0]) != NULL && strspn(cluster, all) == n && cluster[n - 1] != '-')
        return 0;
    return fault_set(f, ERR_USAGE, "--cluster '%.*s' is not a name that every engine takes: up to %d of a-z, 0-9 and '-', "
                     "a letter first and no '-' last", UTF8_HEAD(cluster, 60), LAUNCHER_CLUSTER_BYTES - 1);
}

static bool has_name(const char *text, const char *name)
{
    size_t n = strlen(name);
    return strncmp(text, name, n) == 0 && text[n] == '=';
}

static int check_option(const struct launcher_ops *ops, const char *text, struct fault *f)
{
    const char *names[OPTIONS_MAX];
    char name[64];
    size_t n = 0;
    struct buf list = buf_max(LIST_BYTES_MAX);
    for (const struct launcher_option *o = ops->options; o != NULL && o->name != NULL && n < OPTIONS_MAX; o++) {
        if (has_name(text, o->name)) {
            buf_fini(&list);
            return 0;
        }
        names[n++] = o->name;
        buf_printf(&list, "%s%s", list.n > 0 ? ", " : "", o->name);
    }
    snprintf(name, sizeof name, "%.*s", UTF8_HEAD(text, strcspn(text, "=") < 60 ? strcspn(text, "=") : 60));
    const char *near = n > 0 ? nearest_word(name, names, n) : NULL;
    if (strchr(text, '=') == NULL)
        fault_set(f, ERR_USAGE, "--set '%s' has no value: it is written NAME=VALUE", name);
    else if (n == 0)
        fault_set(f, ERR_USAGE, "--set %s: the engine '%s' has no options", name, ops->engine);
    else if (near != NULL)
        fault_set(f, ERR_USAGE, "--set %s: %s has no such option: did you mean '%s'?", name, ops->engine, near);
    else
        fault_set(f, ERR_USAGE, "--set %s: %s has no such option: it takes %s", name, ops->engine, buf_cstr(&list));
    buf_fini(&list);
    return ERR_USAGE;
}

int launcher_init(struct launcher *a, const struct launcher_ops *ops, struct net_loop *l, const struct launcher_config *cfg,
                  const struct launcher_events *events, void *user_data, struct fault *f)
{
    int err = launcher_check_cluster(cfg->cluster, f);
    for (const char *const *o = cfg->options; err == 0 && o != NULL && *o != NULL; o++)
        err = check_option(ops, *o, f);
    if (err != 0)
        return err;
    *a = (struct launcher){.ops = ops, .loop = l, .cfg = *cfg, .events = *events, .user_data = user_data};
    return 0;
}

const char *launcher_option_value(const struct launcher *a, const char *name)
{
    const char *value = NULL;
    for (const char *const *o = a->cfg.options; o != NULL && *o != NULL; o++)
        value = has_name(*o, name) ? *o + strlen(name) + 1 : value;
    for (const struct launcher_option *o = a->ops->options; value == NULL && o != NULL && o->name != NULL; o++)
        value = strcmp(o->name, name) == 0 ? o->fallback : NULL;
    return value != NULL ? value : "";
}

/* ---- names ---- */

struct launcher_text launcher_name(uint32_t index)
{
    struct launcher_text t;
    snprintf(t.text, sizeof t.text, "worker-%u", index);
    return t;
}

struct launcher_text launcher_engine_name(const struct launcher *a, uint32_t index)
{
    struct launcher_text t;
    snprintf(t.text, sizeof t.text, "%s-worker-%u", a->cfg.cluster, index);
    return t;
}

uint32_t launcher_index(const struct launcher *a, const char *name)
{
    size_t n = strlen(a->cfg.cluster);
    char *end;
    if (strncmp(name, a->cfg.cluster, n) == 0 && name[n] == '-' && strncmp(name + n + 1, "worker-", 7) == 0)
        name += n + 1;
    if (strncmp(name, "worker-", 7) != 0 || name[7] < '1' || name[7] > '9')
        return 0;
    unsigned long index = strtoul(name + 7, &end, 10);
    return *end == '\0' && index <= LAUNCHER_WORKERS_MAX ? (uint32_t)index : 0;
}

void launcher_say(const struct launcher *a, enum log_level level, const struct event_field *event, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    if (a->events.said == NULL)
        return;
    int at = snprintf(text, sizeof text, "%s: ", a->ops->engine);
    va_start(ap, fmt);
    vsnprintf(text + at, sizeof text - (size_t)at, fmt, ap);
    va_end(ap);
    a->events.said(level, event, text, a->user_data);
}

void launcher_ended(struct launcher *a, bool opening, uint64_t ticket, const struct fault *f)
{
    if (opening)
        a->events.opened(f, a->user_data);
    else
        a->events.done(ticket, f, a->user_data);
}
