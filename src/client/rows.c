#include "client/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/fetch.h"

bool rows_ready(const json_t *actor)
{
    return strcmp(json_text(actor, "state", "?"), "ready") == 0;
}

struct rows_worker rows_sum_up(const json_t *status, const json_t *w)
{
    struct rows_worker all = {.models = buf_max(200)};
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(status, "actor_list"), i, a) {
        if (json_num(a, "worker") != json_num(w, "id"))
            continue;
        bool loading = strcmp(json_text(a, "state", ""), "loading") == 0;
        buf_printf(&all.models, "%s%s", all.models.n > 0 ? ", " : "", json_text(a, "model", "?"));
        if (loading)
            buf_printf(&all.models, " %.0f%%", json_num(a, "progress") * 100);
        all.ready += rows_ready(a);
        all.loading += loading;
        all.slots += (unsigned)json_num(a, "slots");
        all.busy += (unsigned)json_num(a, "in_flight");
        all.tokens += json_num(a, "tokens");
        all.prefill = json_num(a, "prefill_tps") > all.prefill ? json_num(a, "prefill_tps") : all.prefill;
        all.decode = json_num(a, "decode_tps") > all.decode ? json_num(a, "decode_tps") : all.decode;
    }
    return all;
}

static const char *state_of(const json_t *w, const struct rows_worker *all)
{
    const char *state = json_text(w, "state", "?");
    return strcmp(state, "ok") != 0 ? state : all->ready > 0 ? "ready" : all->loading > 0 ? "loading" : "ok";
}

void rows_speed(struct table *t, double tps)
{
    if (tps > 0)
        table_cell(t, tps < 10 ? "%.1f" : "%.0f", tps);
    else
        table_cell(t, "%s", "");
}

void rows_worker(struct table *t, const json_t *w, struct rows_worker *all)
{
    table_cell(t, "%s", json_text(w, "node", "?"));
    table_cell(t, "%s", state_of(w, all));
    table_cell(t, "%s", buf_cstr(&all->models));
    table_cell(t, "%u/%u", all->busy, all->slots);
    rows_speed(t, all->decode);
    double most = json_num(w, "memory_bytes");
    table_cell(t, "%s of %s", table_bytes(json_num(w, "rss_bytes")).text, most > 0 ? table_bytes(most).text : "any");
    table_cell(t, "%.2f", json_num(w, "cpu_load"));
    table_cell(t, "%s", table_age(json_num(w, "joined_age_ms") / 1e3).text);
    table_cell(t, "%s", json_text(w, "address", ""));
    table_cell(t, "%.0f", json_num(w, "actors"));
    table_cell(t, "%.1f", json_num(w, "cpus"));
}

void rows_worker_wide(struct table *t, const json_t *w, const struct rows_worker *all)
{
    double celsius = json_num(w, "temperature_c");
    rows_speed(t, all->prefill);
    table_cell(t, "%.0f", json_num(w, "pid"));
    table_cell(t, celsius > 0 ? "%.0f" : "", celsius);
    table_cell(t, "%s of %s", table_bytes(json_num(w, "kept_bytes")).text, table_bytes(json_num(w, "kept_bytes_max")).text);
    table_cell(t, "%s of %s", table_bytes(json_num(w, "moving_bytes")).text, table_bytes(json_num(w, "moving_bytes_max")).text);
    table_cell(t, "%.2f", json_num(w, "rtt_us") / 1e3);
    table_cell(t, "%s", json_text(w, "version", ""));
    table_cell(t, "%s", json_text(w, "engine", ""));
}

static int compare_names(const void *a, const void *b)
{
    return strverscmp(json_text(*(json_t *const *)a, "node", ""), json_text(*(json_t *const *)b, "node", ""));
}

json_t *rows_by_name(const json_t *list)
{
    size_t n = json_array_size(list);
    json_t **items = xalloc_array(n, sizeof(json_t *)), *sorted = json_array();
    for (size_t i = 0; i < n; i++)
        items[i] = json_array_get(list, i);
    qsort(items, n, sizeof(json_t *), compare_names);
    for (size_t i = 0; i < n; i++)
        json_array_append(sorted, items[i]);
    free(items);
    return sorted;
}
