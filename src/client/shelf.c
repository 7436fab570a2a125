/* `manta models show NAME` and `manta models rm NAME...`: a model's facts, and its removal. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "client/catalogue.h"
#include "client/client.h"
#include "client/fetch.h"
#include "client/show.h"
#include "models/reference.h"
#include "models/shelf.h"

/* ---- show ---- */

/* Adds the facts in the file's header. */
static void add_facts(json_t *m, const struct model_file *file)
{
    struct gguf_facts facts;
    json_object_set_new(m, "path", json_string(file->path));
    json_object_set_new(m, "bytes", json_integer((json_int_t)file->bytes));
    json_object_set_new(m, "sha256", json_string(file->digest));
    json_object_set_new(m, "here", json_true());
    if (gguf_read(file->path, &facts, NULL) != 0)
        return;
    json_object_set_new(m, "architecture", json_string(facts.architecture));
    json_object_set_new(m, "quantisation", json_string(facts.quantisation));
    json_object_set_new(m, "context", json_integer((json_int_t)facts.context_length));
    json_object_set_new(m, "chat_template", json_boolean(facts.has_template));
}

static void row(const char *label, const char *text)
{
    if (text[0] != '\0')
        plain_print(stdout, "%-14s %s", label, text);
}

static void show_model(json_t *m)
{
    char text[64];
    bool here = json_is_true(json_object_get(m, "here"));
    struct catalogue_entry sized = {.bytes = (uint64_t)json_num(m, "bytes")};
    json_make_plain(m, true);
    row("name", json_text(m, "name", ""));
    row("about", json_text(m, "about", ""));
    row("file", here ? json_text(m, "path", "") : "not on this machine");
    row("size", json_num(m, "bytes") > 0 ? show_size(json_num(m, "bytes")).text : "");
    row("architecture", json_text(m, "architecture", ""));
    row("quantisation", json_text(m, "quantisation", ""));
    snprintf(text, sizeof text, "%.0f tokens", json_num(m, "context"));
    row("context", json_num(m, "context") > 0 ? text : "");
    row("chat template", json_is_boolean(json_object_get(m, "chat_template")) ? json_is_true(json_object_get(m, "chat_template")) ? "yes" : "no" : "");
    row("licence", json_text(m, "licence", ""));
    row("from", json_text(m, "address", ""));
    row("SHA-256", json_text(m, "sha256", ""));
    snprintf(text, sizeof text, "a worker needs about %llu GiB", (unsigned long long)(models_memory(&sized) >> 30));
    row("memory", sized.bytes > 0 ? text : "");
    if (!here)
        printf("\nmanta models pull %s downloads it\n", json_text(m, "name", ""));
}

int client_model_show(const struct client_options *o, const char *name)
{
    struct fault f = {0};
    struct model_file file;
    const struct catalogue_entry *e = reference_entry(name);
    int err = models_resolve(name, &file, &f);
    if (err != 0 && (err != ERR_NOT_FOUND || e == NULL)) {
        show_fault(&f);
        return err_exit(err);
    }
    json_t *m = e != NULL ? catalogue_describe(e) : json_pack("{s:s}", "name", file.name);
    if (err == 0)
        add_facts(m, &file);
    if (o->json)
        show_json_value(m);
    else
        show_model(m);
    json_decref(m);
    return 0;
}

/* ---- rm ---- */

static uint32_t answers_here(const struct client_options *o, const char *name)
{
    struct fault f = {0};
    json_t *actors = NULL;
    uint32_t n = fetch_json(o, "/manta/actors", NULL, &actors, NULL, &f) == 0 ? catalogue_ready(actors, name) : 0;
    json_decref(actors);
    return n;
}

int client_model_rm(const struct client_options *o, const char *const *names, int n)
{
    json_t *list = json_array();
    int status = 0;
    for (int i = 0; i < n; i++) {
        struct fault f = {0};
        struct shelf_file file;
        int err = shelf_remove(names[i], &file, &f);
        if (err != 0) {
            show_fault(&f);
            status = err_exit(err);
            continue;
        }
        uint32_t actors = answers_here(o, names[i]);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "reference", names[i], "path", file.path, "bytes", (json_int_t)file.bytes));
        if (!o->json)
            plain_print(stdout, "removed %s (%s)", file.path, show_size((double)file.bytes).text);
        if (!o->json && actors > 0)
            printf("%u actor%s of the cluster at %s keep%s it in memory until %s\n", actors, actors == 1 ? "" : "s", o->head, actors == 1 ? "s" : "",
                   actors == 1 ? "it ends" : "they end");
    }
    if (o->json)
        show_json_value(list);
    json_decref(list);
    return status;
}
