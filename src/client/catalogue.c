/* `manta models catalogue`: lists the models known by name, their source, and whether they are
 * here. Contacts no head. */
#include "client/catalogue.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/client.h"
#include "client/fetch.h"
#include "client/rows.h"
#include "client/show.h"

/* True if the model's file is in the models folder, with the expected size. */
static bool is_here(const struct catalogue_entry *e)
{
    char dir[900], path[1300];
    struct fault f;
    struct stat st;
    if (models_dir(dir, sizeof dir, &f) != 0)
        return false;
    snprintf(path, sizeof path, "%s/%s", dir, e->file);
    return stat(path, &st) == 0 && (e->bytes == 0 || (uint64_t)st.st_size == e->bytes);
}

json_t *catalogue_describe(const struct catalogue_entry *e)
{
    char address[600];
    snprintf(address, sizeof address, "hf:%s@%s/%s", e->hub, e->revision, e->file);
    return json_pack("{s:s, s:I, s:s, s:s, s:s?, s:s, s:s, s:s, s:b}", "name", e->name, "bytes", (json_int_t)e->bytes, "licence", e->licence,
                     "about", e->about, "sha256", e->sha256, "file", e->file, "hub", e->hub, "address", address, "here",
                     is_here(e));
}

uint32_t catalogue_ready(const json_t *actors, const char *model)
{
    size_t i;
    json_t *a;
    uint32_t n = 0;
    json_array_foreach(json_object_get(actors, "actor_list"), i, a)
        n += strcmp(json_text(a, "model", ""), model) == 0 && rows_ready(a);
    return n;
}

int client_catalogue(const struct client_options *o)
{
    json_t *list = json_array(), *m;
    size_t i;
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++)
        json_array_append_new(list, catalogue_describe(e));
    if (o->json) {
        show_json_value(list);
    } else {
        printf("%-15s %9s  %-10s  %-12s  %-8s  %s\n", "NAME", "SIZE", "LICENCE", "SHA-256", "HERE", "HUB");
        json_array_foreach(list, i, m)
            printf("%-15s %9s  %-10s  %-12.12s  %-8s  %s\n", json_text(m, "name", ""),
                   json_num(m, "bytes") > 0 ? show_size(json_num(m, "bytes")).text : "unknown", json_text(m, "licence", ""),
                   json_text(m, "sha256", "at download"), json_is_true(json_object_get(m, "here")) ? "yes" : "no", json_text(m, "hub", ""));
        printf("\nmanta models pull NAME brings one; hf:owner/repo/file.gguf and owner/repo:Q4_K_M any other; -o json has whole digests\n");
    }
    json_decref(list);
    return 0;
}
