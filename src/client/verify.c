#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/fetch.h"
#include "client/show.h"

/* The architecture test: checks the cluster's claims from outside, with a real prompt. */

struct verify {
    const struct client_options *o;
    json_t *status;  /* owned */
    json_t *report;  /* owned; printed with -o json: findings, and "failed": the failed checks */
    unsigned failed;
};

/* Prints a line for people, behind a tag if there is one; nothing with -o json. */
__attribute__((format(printf, 3, 4))) static void say(const struct verify *v, const char *tag, const char *fmt, ...)
{
    struct buf text = buf_max(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (!v->o->json && tag != NULL)
        show_said(tag, "%s", buf_cstr(&text));
    else if (!v->o->json)
        show_wrapped("%s", buf_cstr(&text));
    buf_fini(&text);
}

static void note(struct verify *v, const char *name, json_t *value)
{
    json_object_set_new(v->report, name, value);
}

static void fail(struct verify *v, const char *what)
{
    v->failed++;
    if (!v->o->json)
        show_wrapped("  FAILED: %s", what);
    json_array_append_new(json_object_get(v->report, "failed"), json_string(what));
}

static void test_resources(struct verify *v)
{
    const json_t *r = json_object_get(v->status, "resources");
    say(v, "TEST 1", "cluster resources: found %.0f nodes, CPU: %.1f, Memory: %.1f GB", json_num(v->status, "nodes"),
           json_num(r, "CPU"), json_num(r, "memory") / 1e9);
    note(v, "nodes", json_integer((json_int_t)json_num(v->status, "nodes")));
    note(v, "workers", json_integer((json_int_t)json_num(v->status, "workers")));
    if (json_num(v->status, "workers") < 1)
        fail(v, "no worker has joined: start one with `manta worker --head HOST:PORT`, or all of it with `manta up`");
}

static void test_coordinator(struct verify *v)
{
    const json_t *head = json_object_get(v->status, "head");
    double actors = json_num(v->status, "actors");
    say(v, "TEST 2", "prompt coordinator: found '%s'; available inference actors: %.0f; %s", json_text(head, "coordinator", "?"),
           actors, actors > 0 ? "workers have registered their actors" : "no worker has registered a ready actor");
    note(v, "coordinator", json_string(json_text(head, "coordinator", "")));
    note(v, "actors", json_integer((json_int_t)actors));
    note(v, "models_mapped", json_integer((json_int_t)json_num(head, "models_mapped")));
    if (strcmp(json_text(head, "coordinator", ""), "prompt_coordinator") != 0)
        fail(v, "the head has no coordinator 'prompt_coordinator'");
    if (actors < 1)
        fail(v, "no actor is ready: is a model still loading (`manta actors`)?");
    say(v, NULL, "  head: pid %.0f, memory %s, model files and engine modules mapped: %.0f", json_num(head, "pid"),
           show_size(json_num(head, "rss_bytes")).text, json_num(head, "models_mapped"));
    if (!json_is_integer(json_object_get(head, "models_mapped")) || json_num(head, "models_mapped") > 0)
        fail(v, "the head maps a model or an engine into its memory: it must be a coordinator only");
}

/* Counts the different actors that answered: a branch whose actor was lost is answered by another
 * one, which then has two. */
static double actors_used(const json_t *answer)
{
    const json_t *responses = json_object_get(answer, "responses");
    size_t used = 0;
    for (size_t i = 0; i < json_array_size(responses); i++) {
        const json_t *r = json_array_get(responses, i);
        bool fresh = !json_is_object(json_object_get(r, "error"));
        for (size_t k = 0; k < i && fresh; k++)
            fresh = !json_equal(json_object_get(json_array_get(responses, k), "actor_id"), json_object_get(r, "actor_id"));
        used += fresh;
    }
    return (double)used;
}

static void test_inference(struct verify *v)
{
    double actors = json_num(v->status, "actors");
    if (actors < 1) {
        say(v, "TEST 3", "inference: not possible without an actor");
        return;
    }
    struct fault f = {0};
    json_t *answer = NULL;
    uint64_t start_us = clock_us();
    int err = fetch_json(v->o, "/manta/process_prompt",
                         "{\"prompt\":\"" CLIENT_TEST_PROMPT "\",\"actors\":\"all\",\"max_tokens\":32,\"temperature\":0}", &answer, NULL, &f);
    if (err != 0) {
        say(v, "TEST 3", "inference: testing with %.0f actors; failed", actors);
        fail(v, f.text);
        return;
    }
    if (!v->o->json)
        json_make_plain(answer, true);
    double good = actors_used(answer);
    const char *text = json_text(answer, "final_response", "");
    double seconds = (double)(clock_us() - start_us) / 1e6;
    say(v, "TEST 3", "inference: testing with %.0f actors; completed in %.2f s; used %.0f/%.0f actors; response: %s", actors, seconds, good, actors, text);
    note(v, "actors_used", json_integer((json_int_t)good));
    note(v, "seconds", json_real(seconds));
    note(v, "response", json_string(text));
    if (good < actors)
        fail(v, "not every actor answered: see `manta actors` and the workers' logs");
    if (strspn(text, " \t\r\n") == strlen(text))
        fail(v, "the answer is empty");
    json_decref(answer);
}

int client_verify(const struct client_options *o)
{
    struct verify v = {.o = o, .report = json_pack("{s:[]}", "failed")};
    struct fault f = {0};
    int err = fetch_json(o, "/manta/status", NULL, &v.status, NULL, &f);
    if (err == 0) {
        if (!o->json)
            json_make_plain(v.status, true);
        test_resources(&v);
        test_coordinator(&v);
        test_inference(&v);
    } else if (o->json) {
        fail(&v, f.text);
    } else {
        show_fault(&f);
    }
    bool good = err == 0 && v.failed == 0;
    note(&v, "verified", json_boolean(good));
    if (o->json)
        show_json_value(v.report);
    else if (good)
        say(&v, "TEST COMPLETE", "architecture verified");
    else if (err == 0)
        say(&v, "TEST FAILED", "%u checks failed", v.failed);
    json_decref(v.status);
    json_decref(v.report);
    return good ? 0 : 1;
}
