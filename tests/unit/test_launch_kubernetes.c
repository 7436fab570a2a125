/* The engine "kubernetes" against a server that behaves like an API server, well and badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "http/http.h"
#include "launch/engines.h"
#include "launch/kubernetes.h"

enum { MANY_WORKERS = 250, PATIENCE_S = 240 };

/* What the server does with the requests to come, one each; then it behaves. */
enum mood { WELL, CONFLICT, FORBIDDEN, UNAUTHORIZED, TOO_MANY, GARBAGE, WRONG_KIND, EMPTY_500, SILENT, ENDLESS };

static struct {
    struct net_loop *loop;
    struct http_server *server;
    struct launcher *launcher;
    struct net_timer *patience;
    char token_file[64], token[64]; /* the token that the server takes */
    char set_server[80], set_token[100];
    enum mood moods[8];
    unsigned moods_n, requests, puts;
    unsigned replicas, version, pods; /* the StatefulSet, and how many pods its controller has made of it */
    const char *event;                /* why there are not more */
    bool contested;                   /* somebody else writes the number all the time */
    struct http_request *silent, *watch;

    bool opened;
    unsigned ends, changes;
    uint64_t ticket;
    struct fault fault;
    struct launcher_worker listed[LAUNCHER_LISTED_MAX];
    size_t n;
} w;

/* ---- the server ---- */

static void reply(struct http_request *r, int status, const char *lines, const char *text)
{
    http_reply(r, status, "application/json", lines, str_of(text));
}

static void refuse(struct http_request *r, int status, const char *lines, const char *reason, const char *message)
{
    char text[600];
    snprintf(text, sizeof text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}",
             message, reason, status);
    reply(r, status, lines, text);
}

static void reply_scale(struct http_request *r)
{
    char text[300];
    snprintf(text, sizeof text, "{\"kind\":\"Scale\",\"apiVersion\":\"autoscaling/v1\",\"metadata\":{\"name\":\"manta-worker\",\"resourceVersion\":\"%u\"},"
             "\"spec\":{\"replicas\":%u},\"status\":{\"replicas\":%u}}", w.version, w.replicas, w.pods);
    reply(r, 200, NULL, text);
}

static void put_scale(struct http_request *r)
{
    json_t *scale = json_loadb(http_body(r).p, http_body(r).n, 0, NULL);
    w.puts++;
    w.version += w.contested;
    if (strtol(kube_text(scale, KUBE_PATH("metadata", "resourceVersion")), NULL, 10) != (long)w.version) {
        refuse(r, 409, NULL, "Conflict", "the object has been modified; please apply your changes to the latest version");
    } else {
        w.replicas = (unsigned)json_integer_value(kube_at(scale, KUBE_PATH("spec", "replicas")));
        w.version++;
        reply_scale(r);
    }
    json_decref(scale);
}

/* In pages, as they are asked for: continue is the next number, behind signs that a path cannot have. */
static void reply_pods(struct http_request *r)
{
    struct buf text = buf_max(1 << 20), decoded = buf_max(100);
    http_decode(&decoded, http_query(r, "continue"), true);
    unsigned limit = (unsigned)strtoul(buf_cstr(&decoded)[0] == '\0' ? "0" : buf_cstr(&decoded) + 3, NULL, 10), from = limit > 0 ? limit : 1;
    assert_true(from == 1 || strncmp(buf_cstr(&decoded), "a=&", 3) == 0);
    char number[12];
    snprintf(number, sizeof number, "%.*s", STR_ARG(http_query(r, "limit")));
    unsigned to = from + (unsigned)strtoul(number, NULL, 10) - 1;
    buf_puts(&text, "{\"kind\":\"PodList\",\"items\":[");
    for (unsigned i = from; i <= to && i <= w.pods; i++)
        buf_printf(&text, "%s{\"metadata\":{\"name\":\"manta-worker-%u\"},\"spec\":{\"nodeName\":\"n%u\"},\"status\":{\"phase\":\"Running\","
                   "\"containerStatuses\":[{\"state\":{\"running\":{}}}]}}", i > from ? "," : "", i, i % 3);
    buf_puts(&text, "],\"metadata\":{");
    if (to < w.pods || w.moods[0] == ENDLESS)
        buf_printf(&text, "\"continue\":\"a=&%u\"", w.moods[0] == ENDLESS ? 1 : to + 1);
    buf_puts(&text, "}}");
    reply(r, 200, NULL, buf_cstr(&text));
    buf_fini(&text);
    buf_fini(&decoded);
}

static void reply_events(struct http_request *r)
{
    char text[500];
    snprintf(text, sizeof text, "{\"kind\":\"EventList\",\"items\":[{\"reason\":\"FailedCreate\",\"message\":\"%s\"}]}", w.event);
    reply(r, 200, NULL, w.event != NULL ? text : "{\"items\":[]}");
}

static void behave(struct http_request *r)
{
    char path[200];
    snprintf(path, sizeof path, "%.*s", STR_ARG(http_path(r)));
    if (strcmp(path, "/apis/apps/v1/namespaces/ai/statefulsets/manta-worker/scale") == 0 && str_is(http_method(r), "PUT"))
        put_scale(r);
    else if (strcmp(path, "/apis/apps/v1/namespaces/ai/statefulsets/manta-worker/scale") == 0)
        reply_scale(r);
    else if (strcmp(path, "/api/v1/namespaces/ai/pods") == 0 && http_query(r, "watch").n > 0) {
        http_stream_begin(r, "application/json", NULL);
        w.watch = r;
    } else if (strcmp(path, "/api/v1/namespaces/ai/pods") == 0)
        reply_pods(r);
    else if (strcmp(path, "/api/v1/namespaces/ai/events") == 0)
        reply_events(r);
    else
        refuse(r, 404, NULL, "NotFound", "the server could not find the requested resource");
}

static void on_request(struct http_request *r, void *user_data)
{
    (void)user_data;
    char wanted[100];
    snprintf(wanted, sizeof wanted, "Bearer %s", w.token);
    w.requests++;
    if (!str_is(http_header(r, "authorization"), wanted)) {
        refuse(r, 401, NULL, "Unauthorized", "Unauthorized");
        return;
    }
    enum mood mood = w.moods_n > 0 ? w.moods[0] : WELL;
    if (w.moods_n > 0 && mood != ENDLESS)
        memmove(w.moods, w.moods + 1, --w.moods_n * sizeof w.moods[0]);
    if (w.moods_n == 0)
        w.moods[0] = WELL;
    switch (mood) {
    case WELL: case ENDLESS: behave(r); break;
    case CONFLICT: w.version++; behave(r); break; /* somebody else was quicker */
    case FORBIDDEN: refuse(r, 403, NULL, "Forbidden", "pods is forbidden: User \\\"system:serviceaccount:ai:x\\\" cannot list resource \\\"pods\\\""); break;
    case UNAUTHORIZED: refuse(r, 401, NULL, "Unauthorized", "Unauthorized"); break;
    case TOO_MANY: refuse(r, 429, "retry-after: 3\r\n", "TooManyRequests", "the server has received too many requests"); break;
    case GARBAGE: reply(r, 200, NULL, "<html>a proxy's page</html>"); break;
    case WRONG_KIND: reply(r, 200, NULL, "{\"kind\":\"Secret\"}"); break;
    case EMPTY_500: reply(r, 500, NULL, ""); break;
    case SILENT: w.silent = r; net_loop_stop(w.loop); break;
    }
}

static void on_gone(struct http_request *r, void *user_data)
{
    (void)user_data;
    w.silent = w.silent == r ? NULL : w.silent;
    w.watch = w.watch == r ? NULL : w.watch;
}

static void error_body(struct buf *out, const struct fault *f, const struct http_request *r, void *user_data)
{
    (void)user_data;
    (void)r;
    buf_puts(out, f->text);
}

/* ---- the launcher's events ---- */

static void on_opened(const struct fault *f, void *user_data)
{
    (void)user_data;
    w.opened = true;
    w.fault = *f;
    net_loop_stop(w.loop);
}

static void on_done(uint64_t ticket, const struct fault *f, void *user_data)
{
    (void)user_data;
    w.ends++;
    w.ticket = ticket;
    w.fault = *f;
    net_loop_stop(w.loop);
}

static void on_listed(uint64_t ticket, const struct launcher_worker *workers, size_t n, void *user_data)
{
    struct fault none = {0};
    memcpy(w.listed, workers, n * sizeof *workers);
    w.n = n;
    on_done(ticket, &none, user_data);
}

static void on_changed(void *user_data)
{
    (void)user_data;
    w.changes++;
    net_loop_stop(w.loop);
}

static void on_patience(struct net_timer *t, void *user_data)
{
    (void)t, (void)user_data;
    fail_msg("nothing came within %d s", PATIENCE_S);
}

static void run(void)
{
    net_timer_set(w.patience, net_now_us(w.loop) + PATIENCE_S * 1000000u);
    net_loop_run(w.loop);
}

static void write_token(const char *token)
{
    FILE *out = fopen(w.token_file, "w");
    assert_non_null(out);
    fprintf(out, "%s\n", token);
    fclose(out);
}

static void open_it(void)
{
    static const struct launcher_events events = {.opened = on_opened, .done = on_done, .listed = on_listed, .changed = on_changed};
    static const char *set[] = {"namespace=ai", w.set_server, w.set_token, "ca-file=/nowhere", NULL};
    struct launcher_config cfg = {.cluster = "manta", .options = set};
    struct fault f = {0};
    w.launcher = launch_kubernetes.open(w.loop, &cfg, &events, NULL, &f);
    if (w.launcher == NULL)
        fail_msg("%s", f.text);
    assert_false(w.opened);
    run();
    assert_true(w.opened);
}

static int setup(void **state)
{
    static const struct http_server_calls calls = {.on_request = on_request, .on_gone = on_gone, .error_body = error_body};
    (void)state;
    memset(&w, 0, sizeof w);
    struct fault f = {0};
    w.loop = net_loop_new();
    w.patience = net_timer_new(w.loop, on_patience, NULL);
    assert_int_equal(http_server_new(w.loop, "127.0.0.1", 0, &calls, NULL, &w.server, &f), 0);
    snprintf(w.token_file, sizeof w.token_file, "/tmp/manta-token-%d", (int)getpid());
    snprintf(w.set_server, sizeof w.set_server, "server=http://127.0.0.1:%u", http_server_port(w.server));
    snprintf(w.set_token, sizeof w.set_token, "token-file=%s", w.token_file);
    snprintf(w.token, sizeof w.token, "first");
    write_token("first");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.launcher != NULL)
        w.launcher->ops->free(w.launcher);
    http_server_close(w.server);
    net_loop_free(w.loop);
    unlink(w.token_file);
    return 0;
}

static int start(uint32_t first, uint32_t last)
{
    launch_kubernetes.start(w.launcher, 7, (struct launcher_range){first, last});
    run();
    assert_int_equal(w.ticket, 7);
    return w.fault.err;
}

static int stop(uint32_t first, uint32_t last)
{
    launch_kubernetes.stop(w.launcher, 8, (struct launcher_range){first, last}, true);
    run();
    return w.fault.err;
}

static int list(void)
{
    launch_kubernetes.list(w.launcher, 9);
    run();
    return w.fault.err;
}

static void moods(enum mood a, enum mood b)
{
    w.moods[0] = a;
    w.moods[1] = b;
    w.moods_n = 2;
}

/* ---- stories ---- */

/* Given one worker; when 2..3 start, twice, then 2..3 stop, twice; then the number is 3, then 1, and is written once for each. */
static void the_number_is_set_once(void **state)
{
    (void)state;
    w.replicas = w.pods = 1;
    open_it();
    assert_int_equal(w.fault.err, 0);
    assert_int_equal(start(2, 3), 0);
    assert_int_equal(w.replicas, 3);
    assert_int_equal(start(2, 3), 0);
    assert_int_equal(start(1, 1), 0);
    assert_int_equal(w.puts, 1);
    assert_int_equal(stop(2, 3), 0);
    assert_int_equal(w.replicas, 1);
    assert_int_equal(stop(2, 3), 0);
    assert_int_equal(w.puts, 2);
    assert_int_equal(start(2, 2), 0);
    assert_int_equal(stop(1, 1), ERR_UNSUPPORTED); /* a number in the middle */
    assert_int_equal(w.replicas, 2);
    assert_int_equal(stop(1, 2), 0);
    assert_int_equal(w.replicas, 0);
    assert_int_equal(w.ends, 8);
}

/* Given somebody who writes the number between our reading and writing; then it is read anew, and at some time it is given up. */
static void a_conflict_is_tried_again(void **state)
{
    (void)state;
    w.replicas = 1;
    open_it();
    moods(WELL, CONFLICT);
    assert_int_equal(start(2, 2), 0);
    assert_int_equal(w.replicas, 2);
    assert_int_equal(w.puts, 2);
    w.contested = true;
    assert_int_equal(start(3, 3), ERR_IN_USE);
    assert_non_null(strstr(w.fault.text, "cannot set the number of workers to 3: the object has been modified"));
    assert_int_equal(w.replicas, 2);
}

/* Given a list in pages; then all of it comes; and one that never ends is given up. */
static void lists_come_in_pages(void **state)
{
    (void)state;
    w.replicas = w.pods = MANY_WORKERS;
    open_it();
    assert_int_equal(list(), 0);
    assert_int_equal(w.n, MANY_WORKERS);
    assert_int_equal(w.listed[MANY_WORKERS - 1].index, MANY_WORKERS);
    assert_int_equal(w.listed[0].state, LAUNCHER_RUNNING);
    assert_string_equal(w.listed[0].place, "n1");
    w.pods = 1;
    w.moods[0] = ENDLESS;
    w.moods_n = 1;
    assert_int_equal(list(), ERR_PROTOCOL);
    assert_string_equal(w.fault.text, "the API server's list of pods does not end");
}

/* Given a quota for one pod; when three are wanted; then the number is set, and the list tells of two that wait, and why. */
static void a_quota_is_told(void **state)
{
    (void)state;
    w.replicas = w.pods = 1;
    open_it();
    assert_int_equal(start(2, 3), 0);
    w.event = "create Pod manta-worker-2 in StatefulSet manta-worker failed error: pods \\\"manta-worker-2\\\" is forbidden: exceeded quota: small";
    assert_int_equal(list(), 0);
    assert_int_equal(w.n, 3);
    assert_int_equal(w.listed[1].state, LAUNCHER_PENDING);
    assert_string_equal(w.listed[1].reason, "pods \"manta-worker-2\" is forbidden: exceeded quota: small");
}

/* Given an API server that refuses, is busy, or is none; then each operation ends once with its words and what would help, and the next
 * one works. */
static void refusals_are_told_in_its_words(void **state)
{
    static const struct { enum mood mood; int err; const char *words; } cases[] = {
        {FORBIDDEN, ERR_FORBIDDEN, "pods is forbidden: User \"system:serviceaccount:ai:x\" cannot list resource \"pods\""},
        {UNAUTHORIZED, ERR_AUTH, "Unauthorized: the token was refused"},
        {TOO_MANY, ERR_BUSY, "the server has received too many requests: the API server is busy, this is tried again"},
        {GARBAGE, ERR_PROTOCOL, "the answer is no JSON object"},
        {WRONG_KIND, ERR_PROTOCOL, "is no Scale of a StatefulSet"},
        {EMPTY_500, ERR_UNAVAILABLE, "the API server answers 500 without a reason"},
    };
    (void)state;
    w.replicas = w.pods = 1;
    open_it();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w.ends = 0;
        moods(cases[i].mood, WELL);
        w.moods_n = 1;
        assert_int_equal(i % 2 == 0 ? list() : start(1, 1), cases[i].err);
        if (strstr(w.fault.text, cases[i].words) == NULL)
            fail_msg("'%s' has no '%s'", w.fault.text, cases[i].words);
        assert_int_equal(w.ends, 1);
        assert_int_equal(w.fault.wait_s, cases[i].mood == TOO_MANY ? 3 : 0);
        assert_int_equal(list(), 0);
    }
}

/* Given a token that was renewed; then the next call brings the new one. */
static void a_renewed_token_is_read(void **state)
{
    (void)state;
    w.replicas = w.pods = 1;
    open_it();
    snprintf(w.token, sizeof w.token, "second");
    assert_int_equal(list(), ERR_AUTH);
    write_token("second");
    assert_int_equal(list(), 0);
}

/* Given a server that lets nobody in; then opening says so. Nobody there: likewise. */
static void opening_tells_what_is_wrong(void **state)
{
    (void)state;
    moods(FORBIDDEN, WELL);
    open_it();
    assert_int_equal(w.fault.err, ERR_FORBIDDEN);
    assert_non_null(strstr(w.fault.text, "cannot list the pods of the workers: "));
    w.launcher->ops->free(w.launcher);
    w.opened = false;
    snprintf(w.set_server, sizeof w.set_server, "server=http://127.0.0.1:1");
    open_it();
    assert_true(w.fault.err == ERR_NET || w.fault.err == ERR_UNAVAILABLE);
    struct fault f = {0};
    static const char *set[] = {"server=http://127.0.0.1:1", "namespace=a/../b", w.set_token, NULL};
    struct launcher_config cfg = {.cluster = "manta", .options = set};
    assert_null(launch_kubernetes.open(w.loop, &cfg, &w.launcher->events, NULL, &f));
    assert_int_equal(f.err, ERR_USAGE);
    set[1] = "namespace=ai";
    set[2] = "token-file=/nowhere/token";
    assert_null(launch_kubernetes.open(w.loop, &cfg, &w.launcher->events, NULL, &f));
    assert_int_equal(f.err, ERR_NOT_FOUND);
}

/* Given a server that keeps silent; when the launcher is freed; then no callback comes and nothing is left. */
static void freed_while_it_waits(void **state)
{
    (void)state;
    open_it();
    moods(SILENT, WELL);
    launch_kubernetes.list(w.launcher, 1);
    run();
    assert_non_null(w.silent);
    w.launcher->ops->free(w.launcher);
    w.launcher = NULL;
    assert_int_equal(w.ends, 0);
}

/* Given a watch; when a pod changes; then it is told; when the watch breaks off, it is begun anew. */
static void pods_are_watched(void **state)
{
    (void)state;
    w.replicas = w.pods = 1;
    open_it();
    launch_kubernetes.watch(w.launcher, true);
    assert_int_equal(list(), 0); /* a turn or more: the watch is there */
    while (w.watch == NULL)
        assert_int_equal(list(), 0);
    http_stream_write(w.watch, str_of("{\"type\":\"MODIFIED\",\"object\":{}}\n"));
    run();
    assert_int_equal(w.changes, 1);
    http_stream_end(w.watch);
    w.watch = NULL;
    while (w.watch == NULL)
        assert_int_equal(list(), 0);
    http_stream_write(w.watch, str_of("{\"type\":\"DELETED\",\"object\":{}}\n"));
    run();
    assert_int_equal(w.changes, 2);
    launch_kubernetes.watch(w.launcher, false);
    assert_int_equal(list(), 0);
}

int main(void)
{
    unsetenv("KUBERNETES_SERVICE_HOST");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_number_is_set_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_conflict_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_come_in_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(a_quota_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_are_told_in_its_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_renewed_token_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_tells_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(freed_while_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(pods_are_watched, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
