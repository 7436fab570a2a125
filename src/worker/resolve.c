#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/echo.h"
#include "worker/program.h"
#include "worker/tryout.h"

/* Find the model of a reference, downloading it if necessary. */

enum {
    SAY_EVERY_US = 10000000,
    SETUP_WORDS_BYTES = 300,
    SETUP_NOTE_MS = 500, /* a measurement that took longer is noted for the next time */
    LOOK_S_MAX = 20, /* reading a header takes less than a second, and other models wait for it */
};

/* Logs a download: state changes at once, progress every ten seconds. */
static void on_pull(const struct models_progress *progress, void *user_data)
{
    char text[700];
    uint64_t *said_us = user_data, now = clock_us();
    if (progress->kind == MODELS_LOADING && now - *said_us < SAY_EVERY_US)
        return;
    *said_us = now;
    log_info("MODEL DOWNLOAD", EVENT("download", KV("whole", progress->kind == MODELS_DONE),
                                     KV("done_bytes", progress->done), KV("total_bytes", progress->total)),
             "%s", models_progress_text(progress, text, sizeof text));
}

static int obtain(const struct worker_options *o, const char *reference, struct model_file *out, struct fault *f)
{
    uint64_t said_us = 0;
    struct models_pull how = o->pull;
    how.on_progress = on_pull;
    how.user_data = &said_us;
    return models_obtain(reference, &how, out, f);
}

/* For the echo engine the reference is its script; the digest covers everything its answers
 * depend on. */
static int resolve_echo(const char *script, struct model_file *m, struct fault *f)
{
    struct echo_options options;
    int err = echo_options_parse(script, &options, f);
    if (err != 0)
        return err;
    snprintf(m->name, sizeof m->name, "%.*s", STR_ARG(options.name));
    snprintf(m->path, sizeof m->path, "%s", script);
    snprintf(m->digest, sizeof m->digest, "echo%016llx", (unsigned long long)echo_digest(script));
    return 0;
}

/* Names a model that could not be found. */
static void name_by_reference(struct deployment *r)
{
    const char *slash = strrchr(r->reference, '/');
    const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : r->reference;
    size_t n = strlen(name);
    n -= n > 5 && strcmp(name + n - 5, ".gguf") == 0 ? 5 : 0;
    snprintf(r->model.name, sizeof r->model.name, "%.*s", (int)n, name);
    for (char *c = r->model.name; *c != '\0'; c++)
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c; /* a head accepts no control characters in a name */
}

static struct deployment *twin_of(struct worker_program *p, const struct deployment *r)
{
    for (struct deployment *other = p->deployments; other < r; other++) {
        if (other->fault.err == 0 && strcmp(other->model.name, r->model.name) == 0 &&
            strcmp(other->model.digest, r->model.digest) == 0)
            return other;
    }
    return NULL;
}

/* Returns the key of a measured set-up: with other flags another set-up may be the fastest. */
static const char *setup_words(const struct worker_program *p, const struct deployment *r, char *out, size_t cap)
{
    snprintf(out, cap, "%s, repacking %s", p->engine_words, r->load.repack ? "on" : "off");
    return out;
}

void deployment_recall_setup(const struct worker_program *p, struct deployment *r)
{
    char words[SETUP_WORDS_BYTES];
    bool known = r->load.exact && models_setup(r->model.digest, setup_words(p, r, words, sizeof words), r->load.threads, r->setup, sizeof r->setup);
    r->load.setup = known ? r->setup : NULL;
}

void deployment_look(struct worker_program *p, struct deployment *r)
{
    deployment_recall_setup(p, r);
    if (r->fault.err != 0 || p->scripted || models_proved(r->model.digest, p->engine_words))
        return;
    struct tryout t = {.engine = p->o->engine, .load = r->load, .memory_bytes = p->o->memory_bytes,
                       .stall_s = p->o->load_stall_s < LOOK_S_MAX ? p->o->load_stall_s : LOOK_S_MAX};
    r->untried = true;
    tryout_run(&t, NULL, NULL, &r->fault);
}

void deployment_prove(const struct worker_program *p, struct deployment *r)
{
    if (r->untried)
        models_prove(r->model.digest, p->engine_words, true);
    r->untried = false;
}

void deployment_measured(const struct worker_program *p, struct deployment *r, const struct engine_info *info)
{
    char words[SETUP_WORDS_BYTES];
    if (info->setup_ms >= SETUP_NOTE_MS)
        models_setup_note(r->model.digest, setup_words(p, r, words, sizeof words), r->load.threads, info->setup);
    snprintf(r->setup, sizeof r->setup, "%s", info->setup);
    r->is.setup = str_of(r->setup);
    if (!r->load.exact)
        return;
    if (info->setup_ms > 0)
        log_info("MODEL DEPLOYMENT", EVENT("exact_setup", KV("model", r->model.name), KV("setup", r->setup), KV("took_ms", info->setup_ms)),
                 "%s computes exactly with %s, as measured now in %u ms", r->model.name, r->setup, info->setup_ms);
    else
        log_info("MODEL DEPLOYMENT", EVENT("exact_setup", KV("model", r->model.name), KV("setup", r->setup)),
                 "%s computes exactly with %s, as measured before", r->model.name, r->setup);
}

void deployment_resolve(struct worker_program *p, struct deployment *r)
{
    struct fault *f = &r->fault;
    bool echo = strcmp(p->o->engine, "echo") == 0;
    int err = echo ? resolve_echo(r->reference, &r->model, f) : obtain(p->o, r->reference, &r->model, f);
    if (err != 0)
        name_by_reference(r);
    else if (twin_of(p, r) != NULL)
        fault_set(f, ERR_USAGE, "'%s' is the same model as '%s', which this worker has already: give it more --slots instead",
                  r->reference, twin_of(p, r)->reference);
}
