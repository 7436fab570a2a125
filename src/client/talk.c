#include "client/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/clock.h"
#include "base/plain.h"
#include "client/fetch.h"
#include "client/note.h"
#include "client/show.h"

enum { QUIET_US = 300000, NAME_BYTES = 128, MOVES_BYTES_MAX = 1024 };

struct talking {
    const struct client_options *o;
    bool live, quiet;             /* live: stdout is a terminal */
    struct talk_answer *out;
    struct wrap wrap;
    struct buf shown;             /* scratch space for one piece */
    bool reasons;                 /* reasoning is being shown, dim */
    bool wrote, ended;            /* some text; the last event */
    char last;                    /* last character written */
    uint64_t start_us, first_us, last_us;
    char id[NAME_BYTES];          /* of the request */
    char waits_for[200];          /* the head's last reason */
    char lost[NAME_BYTES];        /* the last lost worker */
    double lost_at;               /* tokens of the answer at that point */
    bool moved;                   /* the last worker was not lost: it handed the answer over */
    struct buf moves;             /* "worker-2 was lost at token 254; worker-3 resumed the answer" */
    struct note note;
};

/* ---- text ---- */

static bool has_colours(void)
{
    return plain_takes_colours(STDOUT_FILENO);
}

static void put_shown(struct talking *t)
{
    if (t->shown.n == 0)
        return;
    fwrite(t->shown.p, 1, t->shown.n, stdout);
    t->last = t->shown.p[t->shown.n - 1];
    fflush(stdout);
}

static void put(struct talking *t, const char *text)
{
    buf_reset(&t->shown);
    t->wrap.columns = cells_columns(STDOUT_FILENO); /* the terminal may have been resized */
    wrap_add(&t->wrap, str_of(text), &t->shown);
    put_shown(t);
}

static void put_rest(struct talking *t)
{
    buf_reset(&t->shown);
    wrap_end(&t->wrap, &t->shown);
    put_shown(t);
}

static void reasoning_begins(struct talking *t, bool on)
{
    if (t->reasons == on)
        return;
    if (!on)
        put(t, "\n\n");
    if (has_colours())
        fputs(on ? "\033[2m" : "\033[0m", stdout);
    t->reasons = on;
}

/* Shows text: on a terminal made safe and wrapped, in a pipe unchanged. */
static void show_text(struct talking *t, const char *text, bool reasoning)
{
    if (text[0] == '\0' || (reasoning && !t->live))
        return;
    note_clear(&t->note);
    if (t->live) {
        struct buf plain = buf_max(SIZE_MAX / 2);
        reasoning_begins(t, reasoning);
        plain_add(&plain, str_of(text), PLAIN_TEXT);
        put(t, buf_cstr(&plain));
        buf_fini(&plain);
    } else {
        fputs(text, stdout);
        fflush(stdout); /* its reader need not wait for the whole answer */
        t->last = text[strlen(text) - 1];
    }
    t->wrote = true;
}

/* ---- events ---- */

static void on_event(json_t *event, void *user_data)
{
    struct talking *t = user_data;
    const json_t *choice = json_array_get(json_object_get(event, "choices"), 0), *delta = json_object_get(choice, "delta");
    const json_t *usage = json_object_get(event, "usage");
    const char *text = json_text(delta, "content", ""), *thought = json_text(delta, "reasoning_content", "");
    if (text[0] != '\0' || thought[0] != '\0') {
        t->first_us = t->first_us == 0 ? clock_us() : t->first_us;
        t->last_us = clock_us();
    }
    if (t->id[0] == '\0')
        snprintf(t->id, sizeof t->id, "%s", json_text(event, "id", ""));
    show_text(t, thought, true);
    show_text(t, text, false);
    buf_puts(&t->out->text, text);
    t->out->cut = t->out->cut || strcmp(json_text(choice, "finish_reason", ""), "length") == 0;
    if (json_text(choice, "finish_reason", "")[0] != '\0')
        t->ended = true;
    if (json_is_object(usage))
        t->out->tokens = (uint32_t)json_num(usage, "completion_tokens");
}

/* Returns "3" for the key "queue" in "manta queue=3 eta=4.2s"; empty: none. */
static struct str word(struct str text, const char *key)
{
    struct buf pattern = buf_max(64);
    buf_printf(&pattern, " %s=", key);
    const char *at = memmem(text.p, text.n, pattern.p, pattern.n);
    struct str found = at != NULL ? str_n(at + pattern.n, (size_t)(text.p + text.n - at) - pattern.n) : str_n(NULL, 0);
    found.n = found.n > 0 && memchr(found.p, ' ', found.n) != NULL ? (size_t)((const char *)memchr(found.p, ' ', found.n) - found.p) : found.n;
    buf_fini(&pattern);
    return found;
}

static const char *how_it_left(const struct talking *t)
{
    return t->moved ? "handed it over" : "was lost";
}

static void on_left(struct talking *t, struct str text)
{
    struct str worker = word(text, "worker"), reason = word(text, "reason");
    snprintf(t->lost, sizeof t->lost, "%.*s", STR_ARG(worker));
    t->lost_at = strtod(word(text, "token").p, NULL);
    t->moved = str_is(reason, "moved") || str_is(reason, "migrated");
    buf_printf(&t->moves, "%s%s %s at token %.0f", t->moves.n > 0 ? "; " : "", t->lost, how_it_left(t), t->lost_at);
    if (t->live && !t->quiet)
        note_show(&t->note, t->wrap.at, "%s %s at token %.0f: another worker resumes the answer", t->lost, how_it_left(t), t->lost_at);
}

static void on_resumed(struct talking *t, struct str text)
{
    buf_printf(&t->moves, "; %.*s resumed the answer", STR_ARG(word(text, "worker")));
    if (t->live && !t->quiet)
        note_show(&t->note, t->wrap.at, "%s %s at token %.0f; %.*s resumes the answer", t->lost, how_it_left(t), t->lost_at, STR_ARG(word(text, "worker")));
}

static void on_comment(struct str text, void *user_data)
{
    struct talking *t = user_data;
    struct str eta = word(text, "eta");
    size_t cap = sizeof t->waits_for;
    if (str_begins(text, "manta left "))
        on_left(t, text);
    else if (str_begins(text, "manta resumed "))
        on_resumed(t, text);
    else if (word(text, "queue").n > 0)
        snprintf(t->waits_for, cap, "place %.*s in the queue%s%.*s", STR_ARG(word(text, "queue")), eta.n > 0 ? ", about " : "", STR_ARG(eta));
    else if (word(text, "loading").n > 0)
        snprintf(t->waits_for, cap, "the model is loading, %.*s", STR_ARG(word(text, "loading")));
    else if (word(text, "starting").n > 0)
        snprintf(t->waits_for, cap, "a worker is starting%s%.*s", eta.n > 0 ? ", about " : "", STR_ARG(eta));
    else if (str_begins(text, "manta no worker"))
        snprintf(t->waits_for, cap, "no worker has joined yet (manta status)");
    else if (str_begins(text, "manta prefill"))
        snprintf(t->waits_for, cap, "the prompt is being read");
}

static void on_tick(void *user_data)
{
    struct talking *t = user_data;
    uint64_t now = clock_us();
    if (!t->live || t->quiet || t->wrote || now - t->start_us < QUIET_US)
        return;
    note_show(&t->note, 0, "%s, %.1f s (Ctrl-C cancels)", t->waits_for[0] != '\0' ? t->waits_for : "waiting for the first token",
              (double)(now - t->start_us) / 1e6);
}

static void on_away(void *user_data)
{
    struct talking *t = user_data;
    buf_printf(&t->moves, "%sthe head was lost and came back, or another one resumed the answer", t->moves.n > 0 ? "; " : "");
    if (t->live && !t->quiet)
        note_show(&t->note, t->wrap.at, "the head is gone: the answer resumes as soon as one is there");
    else
        fprintf(stderr, "\n%s the head is gone; the answer resumes as soon as one is there\n", show_tag("RECONNECTING"));
}

/* ---- the summary ---- */

/* Names the worker, if the head still has the request's record. */
static void name_worker(const struct talking *t, char *out, size_t cap)
{
    char path[NAME_BYTES + 40];
    struct fault f = {0};
    json_t *told = NULL;
    snprintf(path, sizeof path, "/manta/requests/%.*s/explain", NAME_BYTES, t->id);
    out[0] = '\0';
    if (t->id[0] == '\0' || fetch_json(t->o, path, NULL, &told, NULL, &f) != 0)
        return;
    if (json_text(told, "node", "")[0] != '\0')
        snprintf(out, cap, ", %.60s (%.60s)", json_text(told, "node", ""), json_text(told, "model", ""));
    json_decref(told);
}

static void show_end(struct talking *t, uint32_t max_tokens, bool cancelled)
{
    char worker[160];
    struct buf line = buf_max(SIZE_MAX / 2);
    double all_s = (double)(clock_us() - t->start_us) / 1e6, answer_s = (double)(t->last_us - t->first_us) / 1e6;
    name_worker(t, worker, sizeof worker);
    if (cancelled)
        buf_printf(&line, "cancelled after %.2f s", all_s);
    else
        buf_printf(&line, "%u token%s", t->out->tokens, t->out->tokens == 1 ? "" : "s");
    if (!cancelled && t->out->tokens > 1 && answer_s > 0)
        buf_printf(&line, ", %.0f tokens/s", (t->out->tokens - 1) / answer_s);
    if (!cancelled)
        buf_printf(&line, ", %.2f s%s", all_s, worker);
    if (t->out->cut && max_tokens > 0 && t->out->tokens >= max_tokens)
        buf_printf(&line, "; cut at %u tokens (/set max_tokens N, --max-tokens N)", t->out->tokens);
    else if (t->out->cut)
        buf_printf(&line, "; cut at %u tokens: the context is full (/new, or workers with a larger --context)", t->out->tokens);
    if (t->moves.n > 0)
        buf_printf(&line, "; %s", buf_cstr(&t->moves));
    if (has_colours())
        fputs("\033[2m", stdout);
    show_wrapped("%s", buf_cstr(&line));
    if (has_colours())
        fputs("\033[0m", stdout);
    buf_fini(&line);
}

int talk(const struct client_options *o, const char *body, bool quiet, uint32_t max_tokens, struct talk_answer *out, struct fault *f)
{
    struct talking t = {.o = o, .quiet = quiet, .live = show_on_terminal(), .out = out, .start_us = clock_us(), .shown = buf_max(SIZE_MAX / 2),
                        .moves = buf_max(MOVES_BYTES_MAX)};
    note_init(&t.note);
    wrap_init(&t.wrap, cells_columns(STDOUT_FILENO), 0);
    struct fetch_ears ears = {.on_event = on_event, .on_comment = on_comment, .on_tick = on_tick, .on_away = on_away, .user_data = &t};
    int err = fetch_stream(o, "/v1/chat/completions", body, &ears, f);
    note_clear(&t.note);
    if (t.live)
        put_rest(&t);
    else
        wrap_end(&t.wrap, &t.shown);
    if (t.reasons && has_colours())
        fputs("\033[0m", stdout);
    if (t.wrote && t.last != '\n')
        putchar('\n');
    if (err == 0 && !t.ended)
        err = fault_set(f, ERR_PROTOCOL, "the answer ended before it was whole");
    if ((err == 0 || err == ERR_CANCELLED) && t.live && !quiet)
        show_end(&t, max_tokens, err == ERR_CANCELLED);
    fflush(stdout);
    buf_fini(&t.shown);
    buf_fini(&t.moves);
    return err;
}
