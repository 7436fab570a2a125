/* The engine behind a pipe: plugs of a few lines of shell, good ones and bad ones, asked by the seam's operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "launch/engines.h"

/* Its beginning: what is said to it is $line, the operation $op, the id $id; `ok` answers well. */
#define READS                                                                                                        \
    "ok() { echo \"{\\\"id\\\":$id,\\\"done\\\":true}\"; }; "                                                      \
    "while read -r line; do op=$(echo \"$line\" | sed 's/.*\"op\":\"\\([a-z]*\\)\".*/\\1/'); "                       \
    "id=$(echo \"$line\" | sed 's/.*\"id\":\\([0-9]*\\).*/\\1/'); "

struct story {
    struct net_loop *loop;
    struct launcher *a;
    struct net_timer *end;
    struct buf got;          /* owned; what was answered, a line each */
    const char *plan;        /* letters: what is asked next, each when the one before has ended */
    uint64_t tickets;
    char file[64];           /* the plug's script */
    char option[128];
    const char *options[2];
};

static int setup(void **state)
{
    static struct story s;
    s = (struct story){.loop = net_loop_new(), .got = buf_max(1 << 20), .plan = ""};
    snprintf(s.file, sizeof s.file, "/tmp/manta-plug-XXXXXX");
    close(mkstemp(s.file));
    snprintf(s.option, sizeof s.option, "command=sh %s", s.file);
    s.options[0] = s.option;
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    unlink(s->file);
    net_loop_free(s->loop);
    buf_fini(&s->got);
    return 0;
}

static void go_on(struct story *s)
{
    char what = *s->plan != '\0' ? *s->plan++ : '.';
    uint64_t ticket = ++s->tickets;
    switch (what) {
    case 's': s->a->ops->start(s->a, ticket, (struct launcher_range){2, 3}); break;
    case 'e': s->a->ops->stop(s->a, ticket, (struct launcher_range){3, 3}, true); break;
    case 'l': s->a->ops->list(s->a, ticket); break;
    case 'd': s->a->ops->down(s->a, ticket); break;
    case 'w': s->a->ops->watch(s->a, true); go_on(s); break;
    default: net_timer_set(s->end, 0); /* free() is never called from within a callback */
    }
}

static void on_end(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    s->a->ops->free(s->a);
    s->a = NULL;
    net_timer_free(t);
}

static void on_opened(const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    buf_printf(&s->got, "opened %s\n", f->text);
    go_on(s);
}

static void on_done(uint64_t ticket, const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    assert_int_equal(ticket, s->tickets);
    buf_printf(&s->got, "done %s\n", f->err == 0 ? "" : f->text);
    go_on(s);
}

static const char *const state_names[] = {"pending", "running", "ending", "failed"};

static void on_listed(uint64_t ticket, const struct launcher_worker *w, size_t n, void *user_data)
{
    struct story *s = user_data;
    assert_int_equal(ticket, s->tickets);
    buf_puts(&s->got, "listed");
    for (size_t i = 0; i < n && i < 4; i++)
        buf_printf(&s->got, " %u %s id=%s place=%s reason=%s;", w[i].index, state_names[w[i].state], w[i].id, w[i].place, w[i].reason);
    buf_printf(&s->got, " %zu\n", n);
    go_on(s);
}

static void on_changed(void *user_data)
{
    struct story *s = user_data;
    buf_puts(&s->got, "changed\n");
}

static void on_took(const char *what, void *user_data)
{
    struct story *s = user_data;
    buf_printf(&s->got, "took %s\n", what);
}

static void on_said(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)event;
    struct story *s = user_data;
    (void)level;
    buf_printf(&s->got, "said %s\n", text);
}

/* Asks the plug for what the plan says; compares with what came. */
static void run(struct story *s, const char *script, const char *plan, const char *want)
{
    static const char *const args[] = {"worker", "--head", "127.0.0.1:1", NULL};
    static const char *const env[] = {"MANTA_JOIN_TOKEN=open sesame", NULL};
    static const struct launcher_events events = {.opened = on_opened, .done = on_done, .listed = on_listed,
                                                  .changed = on_changed, .took = on_took, .said = on_said};
    struct launcher_config cfg = {.cluster = "lab", .head = "127.0.0.1:1", .program = "/bin/manta", .worker_args = args, .worker_env = env,
                                  .options = s->options, .workers = 2};
    struct fault f = {0};
    FILE *file = fopen(s->file, "w");
    fputs(script, file);
    fclose(file);
    s->plan = plan;
    s->end = net_timer_new(s->loop, on_end, s);
    s->a = launch_plug.open(s->loop, &cfg, &events, s, &f);
    assert_non_null(s->a);
    assert_int_equal(s->got.n, 0); /* never from within the call */
    net_loop_run(s->loop);
    assert_null(s->a);
    if (want != NULL)
        assert_string_equal(buf_cstr(&s->got), want);
}

static void every_operation(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in list) echo '{\"id\":'$id',\"workers\":[{\"index\":2,\"state\":\"pending\",\"reason\":\"(Resources)\"},"
                 "{\"index\":1,\"state\":\"running\",\"id\":\"4711\",\"place\":\"n1\"}]}';; "
                 "down) echo '{\"took\":\"job 4711\"}'; ok;; *) ok;; esac; done",
        "slewd", "opened \ndone \nlisted 2 pending id= place= reason=(Resources); 1 running id=4711 place=n1 reason=; 2\ndone \ntook job 4711\ndone \n");
}

/* What it is told when it begins, and the secret that is in its environment only. */
static void what_it_is_told(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in open) case $line in *sesame*) ;; *'\"cluster\":\"lab\"'*'\"head\":\"127.0.0.1:1\"'*'\"program\":\"/bin/manta\"'*"
                 "'\"worker_args\":[\"worker\",\"--head\",\"127.0.0.1:1\"]'*) ok;; esac;; "
                 "start) case $line in *'\"first\":2,\"last\":3'*) echo '{\"id\":'$id',\"error\":\"'$MANTA_JOIN_TOKEN'\"}';; esac;; esac; done",
        "s", "opened \ndone open sesame\n");
}

static void its_words_and_their_kind(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in open) ok;; *) echo '{\"id\":'$id',\"error\":\"quota of 2 exceeded\",\"kind\":\"forbidden\"}';; esac; done", "sl",
        "opened \ndone quota of 2 exceeded\ndone quota of 2 exceeded\n");
}

static void refuses_to_open(void **state)
{
    struct story *s = *state;
    run(s, READS "echo '{\"id\":0,\"error\":\"no permission for this cluster\",\"kind\":\"forbidden\"}'; done", "", "opened no permission for this cluster\n");
}

static void is_not_there(void **state)
{
    struct story *s = *state;
    snprintf(s->option, sizeof s->option, "command=/no/such/plug --now");
    run(s, "", "", "opened the plug ended with status 127: /bin/sh: 1: exec: /no/such/plug: not found\n");
}

/* Given a plug that dies in the middle of an operation, that one fails with its last words, and the next one starts it anew. */
static void dies_and_comes_back(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in start) echo 'cannot reach the daemon' >&2; exit 3;; list) echo '{\"id\":'$id',\"workers\":[]}';; *) ok;; esac; done", "sl",
        "opened \ndone the plug ended with status 3: cannot reach the daemon\nlisted 0\n");
}

/* Given answers that are late, twice, of nobody's question or no JSON, the right one is found among them. */
static void nonsense_among_answers(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in open) ok;; start) echo hello; echo '{\"id\":77,\"done\":true}'; "
                 "echo '[1]'; echo '{\"id\":0,\"done\":true}'; echo; ok;; "
                 "list) echo '{\"id\":'$id',\"workers\":[{\"index\":0,\"state\":\"running\"},{\"index\":9999999999,\"state\":\"running\"},"
                 "{\"index\":1,\"state\":\"sleeping\"},{\"index\":\"1\"},7,{\"index\":3,\"state\":\"failed\",\"id\":5}]}';; esac; done",
        "sl", "opened \nsaid plug: not an answer of a plug's: hello\nsaid plug: not an answer of a plug's: [1]\ndone \n"
              "said plug: 5 of 6 listed workers have no index from 1 to 256, or no state pending, running, ending, failed\n"
              "listed 3 failed id= place= reason=; 1\n");
}

static void nothing_but_nonsense(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in open) ok;; *) yes no;; esac; done", "s", NULL);
    assert_non_null(strstr(buf_cstr(&s->got), "said plug: not an answer of a plug's: no\n"));
    assert_non_null(strstr(buf_cstr(&s->got), "' says nothing but nonsense: killed; README.md of src/launch has the protocol\n"));
}

static void a_line_without_end(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in open) ok;; *) head -c 3000000 /dev/zero | tr '\\0' x; sleep 60;; esac; done", "s", NULL);
    assert_non_null(strstr(buf_cstr(&s->got), "' says a line of more than 512 KiB: killed\n"));
}

static void tells_of_changes(void **state)
{
    struct story *s = *state;
    run(s, READS "case $op in open) echo '{\"changed\":true}'; ok;; start) echo '{\"changed\":true}'; ok;; *) ok;; esac; done", "wsd",
        "opened \nchanged\ndone \ndone \n");
}

static void needs_its_command(void **state)
{
    struct story *s = *state;
    struct fault f;
    struct launcher_config cfg = {.cluster = "lab", .program = "/bin/manta"};
    assert_null(launch_plug.open(s->loop, &cfg, &(struct launcher_events){0}, s, &f));
    assert_int_equal(f.err, ERR_USAGE);
    s->options[0] = "comand=x";
    cfg.options = s->options;
    assert_null(launch_plug.open(s->loop, &cfg, &(struct launcher_events){0}, s, &f));
    assert_string_equal(f.text, "--set comand: plug has no such option: did you mean 'command'?");
    s->options[0] = "command=x";
    cfg.cluster = "Lab";
    assert_null(launch_plug.open(s->loop, &cfg, &(struct launcher_events){0}, s, &f));
    net_loop_run(s->loop);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(every_operation),        STORY(what_it_is_told),     STORY(its_words_and_their_kind),
        STORY(refuses_to_open),        STORY(is_not_there),        STORY(dies_and_comes_back),
        STORY(nonsense_among_answers), STORY(nothing_but_nonsense), STORY(a_line_without_end),
        STORY(tells_of_changes),       STORY(needs_its_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
