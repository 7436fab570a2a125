
#include "base/buf.h"
#include "client/fetch.h"
#include "client/follow.h"
#include "client/show.h"

/* `manta scale N`, `auto`, `fixed`: asks the head, which tells its launcher. */

static void write_ask(struct buf *out, const struct client_scale_ask *a)
{
    const char *comma = "";
    buf_putc(out, '{');
    if (a->policy != NULL)
        buf_printf(out, "\"policy\":\"%s\"", a->policy), comma = ",";
    const struct { const char *name; int64_t n; } counts[] = {{"workers", a->workers}, {"min", a->min}, {"max", a->max}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i].n < 0)
            continue;
        buf_printf(out, "%s\"%s\":%lld", comma, counts[i].name, (long long)counts[i].n);
        comma = ",";
    }
    buf_putc(out, '}');
}

/* Returns the number of running workers of the launcher; -1: unknown. */
static double running(const struct client_options *o)
{
    struct fault f = {0};
    json_t *status = NULL;
    if (fetch_json(o, "/manta/status", NULL, &status, NULL, &f) != 0)
        return -1;
    const json_t *n = json_at(status, "scale", "running");
    double count = json_is_integer(n) ? json_number_value(n) : -1;
    json_decref(status);
    return count;
}

static void show(const json_t *answer, double before)
{
    if (strcmp(json_text(answer, "policy", ""), "auto") != 0 && before >= 0 && json_num(answer, "target") == before)
        show_said("SCALE", "%.0f workers run already", before);
    else if (strcmp(json_text(answer, "policy", ""), "auto") == 0)
        show_said("SCALE", "by the load, %.0f to %.0f workers, %.0f at present; `manta status` shows why", json_num(answer, "min"), json_num(answer, "max"),
                  json_num(answer, "target"));
    else
        show_said("SCALE", "scaling to %.0f workers; `manta status` shows them join", json_num(answer, "target"));
}

/* Asks one head after the other: a launcher joins only one of them. */
static int ask_each(const struct client_options *o, const char *body, json_t **answer, char **text, struct fault *f)
{
    struct follow_heads heads;
    int err = follow_heads_parse(o->head, &heads, f);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < heads.n; i++) {
        struct net_place place = net_place(heads.at[i].host, heads.at[i].port);
        struct client_options one = *o;
        one.head = place.text;
        err = fetch_json(&one, "/manta/scale", body, answer, text, f);
        if (err != ERR_UNAVAILABLE)
            break;
    }
    return err;
}

int client_scale(const struct client_options *o, const struct client_scale_ask *ask)
{
    struct buf body = buf_max(256);
    struct fault f = {0};
    json_t *answer = NULL;
    char *text = NULL;
    write_ask(&body, ask);
    double before = o->json || ask->workers < 0 ? -1 : running(o);
    int err = ask_each(o, buf_cstr(&body), &answer, &text, &f);
    buf_fini(&body);
    if (err != 0) {
        show_fault(&f);
        return err_exit(err);
    }
    if (o->json)
        show_json(str_of(text));
    else
        show(answer, before);
    json_decref(answer);
    free(text);
    return 0;
}
