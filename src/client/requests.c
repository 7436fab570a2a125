/* `manta requests` and `manta explain`: waiting, running and ended requests, and the routing of one
 * request. */
#include <stdio.h>
#include <string.h>

#include "client/fetch.h"
#include "client/page.h"
#include "client/show.h"
#include "client/table.h"

static void add_state(struct table *t, const json_t *r)
{
    if (strcmp(json_text(r, "state", ""), "ended") != 0)
        table_cell(t, "%s", json_text(r, "state", "?"));
    else if (json_num(r, "status") == 200)
        table_cell(t, "200 %s", json_text(r, "finish_reason", ""));
    else
        table_cell(t, "%.0f%s", json_num(r, "status"), json_num(r, "status") == 499 ? " cancelled" : "");
}

static void add_request(struct table *t, const json_t *r, bool ended)
{
    double place = json_num(r, "place"), seconds = ended ? json_num(r, "total_s") : json_num(r, "age_s");
    table_cell(t, "%s", json_text(r, "id", "?"));
    add_state(t, r);
    table_cell(t, place > 0 ? "%.0f" : "", place);
    table_cell(t, "%s", json_text(r, "model", ""));
    table_cell(t, "%s", json_text(r, "node", ""));
    table_cell(t, "%.0f", json_num(r, "tokens"));
    table_cell(t, "%s", table_age(seconds).text);
    table_cell(t, json_num(r, "eta_s") > 0 ? "%.1fs" : "", json_num(r, "eta_s"));
    table_cell(t, "%s", json_text(r, "tenant", ""));
    table_cell(t, "%s", json_text(r, "client_id", ""));
}

static void show_requests(const struct client_options *o, const json_t *answer)
{
    struct table t;
    size_t i;
    json_t *r;
    const json_t *now = json_object_get(answer, "request_list"), *ended = json_object_get(answer, "ended_list");
    printf("%s running %.0f, queued %.0f\n", show_tag("REQUESTS"), json_num(answer, "running"), json_num(answer, "queued"));
    if (json_array_size(now) + json_array_size(ended) == 0)
        return;
    table_init(&t, "REQUEST STATE PLACE MODEL WORKER TOKENS TIME ETA TENANT CLIENT-ID");
    json_array_foreach(now, i, r)
        add_request(&t, r, false);
    json_array_foreach(ended, i, r)
        add_request(&t, r, true);
    table_end(&t, 2, o->wide);
    show_wrapped("  manta explain REQUEST tells why one went where it went");
}

int client_requests(const struct client_options *o)
{
    return show_page(o, "/manta/requests", show_requests);
}

/* ---- explain ---- */

static const char *remark(const json_t *c)
{
    return json_is_true(json_object_get(c, "chosen"))    ? " (chosen)"
           : json_is_true(json_object_get(c, "avoided")) ? " (failed it before)"
           : json_is_true(json_object_get(c, "session")) ? " (knows the session)"
                                                         : "";
}

/* An actor of another head has no number here. */
static void add_actor(struct table *t, const json_t *c)
{
    const json_t *actor = json_object_get(c, "actor");
    table_cell(t, json_is_number(actor) ? "%.0f" : "", json_num(c, "actor"));
}

static void add_candidate(struct table *t, const json_t *c)
{
    table_cell(t, "%s%s", json_text(c, "node", "?"), remark(c));
    table_cell(t, "%.3fs", json_num(c, "cost_s"));
    table_cell(t, "%.3fs", json_num(c, "first_token_s"));
    table_cell(t, "%.0f/%.0f", json_num(c, "busy"), json_num(c, "slots"));
    table_cell(t, "%.0f", json_num(c, "prompt_tokens"));
    table_cell(t, "%.0f", json_num(c, "cached_tokens"));
    table_cell(t, "%.0f", json_num(c, "ahead_tokens"));
    add_actor(t, c);
}

static void show_candidates(const struct client_options *o, const json_t *candidates)
{
    struct table t;
    size_t i;
    json_t *c;
    if (json_array_size(candidates) == 0)
        return;
    table_init(&t, "CANDIDATE COST FIRST-TOKEN BUSY PROMPT CACHED AHEAD ACTOR");
    json_array_foreach(candidates, i, c)
        add_candidate(&t, c);
    table_end(&t, 10, o->wide);
}

/* Explains the head's reason for a choice. */
static const char *meaning(const char *why)
{
    static const struct { const char *why, *text; } all[] = {
        {"best", "the lowest predicted cost of those with a free slot"},
        {"next in queue", "it became free, and this request was next in the queue"},
        {"fan-out", "the request goes to several actors, each has a part"},
        {"has it", "it has the answer already, from before this head had the request"},
        {"moved", "the answer moved there with what was computed of it"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].why, why) == 0)
            return all[i].text;
    return why;
}

static void show_choice(const struct client_options *o, const json_t *s)
{
    char actor[40] = "";
    double tokens = json_num(s, "tokens");
    if (json_is_number(json_object_get(s, "actor")))
        snprintf(actor, sizeof actor, " (actor %.0f)", json_num(s, "actor"));
    show_wrapped("%8.3fs  sent to %s%s: %s", json_num(s, "at_s"), json_text(s, "node", "?"), actor, meaning(json_text(s, "why", "?")));
    if (json_num(s, "waited_s") >= 0.001 && tokens == 0)
        show_wrapped("          it had waited %.3f s in the queue; %.0f others waited then", json_num(s, "waited_s"), json_num(s, "others_queued"));
    if (tokens > 0)
        show_wrapped("          it resumes after %.0f tokens", tokens);
    show_candidates(o, json_object_get(s, "candidates"));
}

static void show_step(const struct client_options *o, const json_t *s)
{
    const char *what = json_text(s, "what", "");
    double at_s = json_num(s, "at_s"), tokens = json_num(s, "tokens");
    if (strcmp(what, "left") == 0)
        show_wrapped("%8.3fs  left %s after %.0f tokens, %s: %s", at_s, json_text(s, "node", "?"), tokens, json_text(s, "why", "?"), json_text(s, "text", ""));
    else if (strcmp(what, "new head") == 0)
        show_wrapped("%8.3fs  a new head took the place of the one it was at (--replace)", at_s);
    else if (strcmp(what, "came back") == 0)
        show_wrapped("%8.3fs  its client came back with %.0f tokens of it; what was before that is in no account here", at_s, tokens);
    else if (strcmp(what, "computed again") == 0)
        show_wrapped("%8.3fs  its client came back with %.0f tokens of it, which no worker has any more: it is computed again", at_s, tokens);
    else
        show_choice(o, s);
}

/* Before it went anywhere it is known since when. */
static void show_waits(const json_t *a)
{
    char since[40] = "         ", about[60] = "";
    double eta_s = json_num(a, "eta_s");
    if (json_num(a, "place") <= 0)
        return;
    if (json_array_size(json_object_get(a, "steps")) == 0)
        snprintf(since, sizeof since, "%8.3fs", json_num(a, "queued_s"));
    if (eta_s >= 0.1)
        snprintf(about, sizeof about, ", about %.1f s", eta_s);
    show_wrapped("%s  waits: place %.0f in the queue%s", since, json_num(a, "place"), about);
}

static void show_explained(const struct client_options *o, const json_t *a)
{
    size_t i;
    json_t *s;
    show_wrapped("%s: %s, model %s, balance %s", json_text(a, "id", "?"), json_text(a, "state", "?"), json_text(a, "model", "any"),
                 json_text(a, "balance", "?"));
    json_array_foreach(json_object_get(a, "steps"), i, s)
        show_step(o, s);
    if (json_num(a, "steps_left_out") > 0)
        show_wrapped("          (%.0f steps in the middle are left out)", json_num(a, "steps_left_out"));
    show_waits(a);
    if (strcmp(json_text(a, "state", ""), "ended") != 0)
        return;
    show_wrapped("%8.3fs  ended: %.0f %s; %.0f+%.0f tokens, %.0f of the prompt's from the cache; first token after %.3f s", json_num(a, "total_s"),
                 json_num(a, "status"), json_text(a, "error", json_text(a, "finish_reason", "")), json_num(a, "prompt_tokens"), json_num(a, "tokens"),
                 json_num(a, "cached_tokens"), json_num(a, "first_token_s"));
}

/* Finds the request that ended last, or else the oldest one that is there. */
static int find_last(const struct client_options *o, char *out, size_t cap, struct fault *f)
{
    json_t *all = NULL;
    int err = fetch_json(o, "/manta/requests", NULL, &all, NULL, f);
    const json_t *r = json_array_get(json_object_get(all, "ended_list"), 0);
    r = r != NULL ? r : json_array_get(json_object_get(all, "request_list"), 0);
    if (err == 0 && r == NULL)
        err = fault_set(f, ERR_NOT_FOUND, "no request has come to this head yet: there is nothing to explain");
    snprintf(out, cap, "%.100s", json_text(r, "id", ""));
    json_decref(all);
    return err;
}

int client_explain(const struct client_options *o, const char *id)
{
    char last[128], path[700];
    struct fault f = {0};
    if (id == NULL && find_last(o, last, sizeof last, &f) != 0) {
        show_fault(&f);
        return err_exit(f.err);
    }
    struct buf name = buf_max(600);
    for (const char *at = id != NULL ? id : last; *at != '\0'; at++)
        buf_printf(&name, strchr("/%?# ", *at) != NULL || (unsigned char)*at < 0x21 || (unsigned char)*at > 0x7e ? "%%%02X" : "%c", (unsigned char)*at);
    snprintf(path, sizeof path, "/manta/requests/%s/explain", buf_cstr(&name));
    buf_fini(&name);
    return show_page(o, path, show_explained);
}
