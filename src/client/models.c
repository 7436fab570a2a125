#include "models/models.h"

#include <stdio.h>
#include <string.h>

#include "client/catalogue.h"
#include "client/client.h"
#include "client/fetch.h"
#include "client/show.h"
#include "client/table.h"
#include "os/memory.h"
#include "models/reference.h"
#include "models/shelf.h"

/* `manta models`: the catalogue, the files on this machine, and the models of the cluster. */

static json_t *describe(const struct catalogue_entry *e, const json_t *actors)
{
    json_t *m = catalogue_describe(e);
    json_object_set_new(m, "actors", json_integer(catalogue_ready(actors, e->name)));
    return m;
}

/* Tells whether a worker with the model would fit into the free memory here. */
static const char *fits(const json_t *m, uint64_t free_bytes)
{
    struct catalogue_entry sized = {.bytes = (uint64_t)json_num(m, "bytes")};
    return sized.bytes == 0 ? "" : models_memory(&sized) <= free_bytes ? "yes" : "no";
}

/* Adds files that are not in the catalogue. */
static void add_file(const struct shelf_file *file, void *user_data)
{
    if (reference_entry(file->reference) == NULL)
        json_array_append_new(user_data, json_pack("{s:s, s:I, s:s, s:s, s:s, s:b}", "name", file->reference, "bytes", (json_int_t)file->bytes, "licence", "",
                                                   "about", "", "path", file->path, "here", 1));
}

static void show_catalogue(const struct client_options *o, const json_t *list)
{
    struct table t;
    size_t i;
    json_t *m;
    uint64_t free_bytes = memory_free_bytes();
    table_init(&t, "MODEL SIZE HERE RUNNING FITS LICENCE ABOUT");
    json_array_foreach(list, i, m) {
        table_cell(&t, "%s", json_text(m, "name", ""));
        table_cell(&t, "%s", json_num(m, "bytes") > 0 ? table_bytes(json_num(m, "bytes")).text : "");
        table_cell(&t, "%s", json_is_true(json_object_get(m, "here")) ? "yes" : "");
        table_cell(&t, json_num(m, "actors") > 0 ? "%.0f" : "", json_num(m, "actors"));
        table_cell(&t, "%s", fits(m, free_bytes));
        table_cell(&t, "%s", json_text(m, "licence", ""));
        table_cell(&t, "%s", json_text(m, "about", ""));
    }
    table_end(&t, 0, o->wide);
    show_wrapped("fits: in the %.1f GiB of memory that are free here, with --memory of its size", mib(free_bytes) / 1024);
}

static bool in_catalogue(const char *name)
{
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++)
        if (strcmp(e->name, name) == 0)
            return true;
    return false;
}

/* Shows models of the cluster that are not in the catalogue. */
static void show_others(const json_t *actors)
{
    size_t i, k;
    json_t *a, *b;
    json_array_foreach(json_object_get(actors, "actor_list"), i, a) {
        const char *name = json_text(a, "model", "");
        bool told = in_catalogue(name);
        json_array_foreach(json_object_get(actors, "actor_list"), k, b)
            told = told || (k < i && strcmp(json_text(b, "model", ""), name) == 0);
        if (!told)
            show_wrapped("%s runs here, too: %u actors; it is not of the catalogue", name, catalogue_ready(actors, name));
    }
}

int client_models(const struct client_options *o)
{
    struct fault f = {0};
    json_t *actors = NULL, *list = json_array();
    bool head = fetch_json(o, "/manta/actors", NULL, &actors, NULL, &f) == 0; /* the catalogue is useful without a head, too */
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++)
        json_array_append_new(list, describe(e, actors));
    shelf_each(add_file, list, NULL);
    if (o->json) {
        show_json_value(list);
    } else {
        char dir[900];
        json_make_plain(actors, true);
        show_catalogue(o, list);
        if (models_dir(dir, sizeof dir, &f) == 0)
            show_wrapped("files: %s; manta models pull, show or rm NAME; hf:owner/repo/file.gguf and owner/repo:Q4_K_M name others to pull", dir);
        show_others(actors);
        if (head)
            printf("%s %.0f actors ready in the cluster at %s\n", show_tag("CLUSTER"), json_num(actors, "actors"), o->head);
        else
            printf("%s no head answers at %s\n", show_tag("CLUSTER"), o->head);
    }
    json_decref(list);
    json_decref(actors);
    return 0;
}
