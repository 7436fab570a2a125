#include "head/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/dialect.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "head/account.h"
#include "head/memory.h"
#include "head/page.h"
#include "head/handoff.h"
#include "head/state.h"
#include "head/stored.h"
#include "head/watch.h"
#include "net/supervisor.h"

/* The head's edges. Every callback of the loop becomes at most one event for the brain; its effects
 * are carried out here, in order, before the next event. */

static void put_line(const struct fx *fx)
{
    if (fx->peer_kind != NULL)
        log_peer(fx->peer_kind, fx->level, fx->tag, fx->event, "%.*s", STR_ARG(fx->text));
    else
        log_line(fx->level, fx->tag, fx->event, "%.*s", STR_ARG(fx->text));
}

static void carry_out(struct head_program *p, const struct fx *fx)
{
    switch (fx->kind) {
    case FX_SEND: link_send(p, fx->link, &fx->msg); break;
    case FX_CLOSE_LINK: link_close(p, fx->link); break;
    case FX_LOG:
        put_line(fx);
        watch_line(p, fx);
        break;
    case FX_CHOSEN:
    case FX_LEFT: call_effect(p, fx); break;
    case FX_TOKENS:
        p->tokens_told += fx->ids.n;
        call_effect(p, fx);
        break;
    case FX_PROGRESS:
    case FX_RESUMED:
    case FX_STARTED:
    case FX_BRANCH_DONE:
    case FX_CALL_END:
    case FX_CALL_FAILED: call_effect(p, fx); break;
    }
}

static void feed(struct head_program *p, struct head_event ev)
{
    if (p->stopping)
        return;
    MUST(!p->feeding);
    p->feeding = true;
    ev.now_us = net_now_us(p->loop);
    effects_reset(&p->fx);
    head_step(p->brain, &ev, &p->fx);
    for (size_t i = 0; i < p->fx.n; i++)
        carry_out(p, &p->fx.fx[i]);
    p->feeding = false;
    calls_reap(p);
    if (p->leaving && p->calls.n == 0)
        net_loop_stop(p->loop);
    net_timer_set(p->timer, head_deadline(p->brain));
}

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    head_feed(user_data, (struct head_event){.kind = HEAD_TICK});
}

static void on_keep_alive(struct net_timer *t, void *user_data)
{
    struct head_program *p = user_data;
    if (!calls_keep_alive(p)) {
        net_timer_set(t, net_now_us(p->loop));
        return;
    }
    memory_tend(p);
    net_supervisor_alive(net_now_us(p->loop));
    net_timer_set(t, net_now_us(p->loop) + KEEP_ALIVE_MS * 1000ull / 2);
}

static void on_signal(int signum, void *user_data)
{
    struct head_program *p = user_data;
    if (signum == SIGHUP && p->leaving)
        return; /* one hang-up reaches us from the shell and from the kernel */
    bool waits = signum != SIGINT && !p->leaving && p->calls.n > 0 && p->o->drain_grace_s > 0;
    if (!waits) {
        log_info("CLUSTER STATUS", EVENT("head_stops", KV("signal", signum)), "head stops (signal %d)", signum);
        net_supervisor_say("STOPPING=1");
        net_loop_stop(p->loop);
        return;
    }
    p->leaving = true;
    net_supervisor_say("STOPPING=1\nSTATUS=finishing %zu requests", p->calls.n);
    log_info("CLUSTER STATUS", EVENT("head_drains", KV("requests", p->calls.n), KV("signal", signum)),
             "head takes no new requests and stops when its %zu requests have ended, after %u s at the latest (signal %d)",
             p->calls.n, p->o->drain_grace_s, signum);
    net_timer_set(p->leave, net_now_us(p->loop) + p->o->drain_grace_s * 1000000ull);
}

static void on_leave(struct net_timer *t, void *user_data)
{
    struct head_program *p = user_data;
    (void)t;
    log_warn("CLUSTER STATUS", EVENT("head_stops", KV("unanswered", p->calls.n)),
             "head stops with %zu requests unanswered: the grace period is over", p->calls.n);
    net_loop_stop(p->loop);
}

/* ---- HTTP ---- */

static void on_request(struct http_request *r, void *user_data)
{
    route(user_data, r);
}

static bool on_head(struct http_request *r, void *user_data)
{
    return route_head(user_data, r);
}

static void on_gone(struct http_request *r, void *user_data)
{
    struct asker *asker = http_user_data(r);
    if (asker != NULL && asker->kind == ASKER_PAGE)
        page_gone(user_data, asker);
    else if (asker != NULL && asker->kind == ASKER_READING)
        reading_gone(asker);
    else if (asker != NULL && asker->kind == ASKER_WATCHER)
        watch_gone(user_data, asker);
    else
        call_gone(user_data, r);
}

static void on_drain(struct http_request *r, void *user_data)
{
    struct asker *asker = http_user_data(r);
    if (asker == NULL || asker->kind == ASKER_CALL)
        call_drained(user_data, r);
}

static void on_error_lines(struct buf *out, const struct http_request *r, void *user_data)
{
    route_error_lines(user_data, r, out);
}

static void on_error_body(struct buf *out, const struct fault *f, const struct http_request *r, void *user_data)
{
    (void)user_data;
    if (r != NULL)
        reply_dialect(r)->error(out, &(struct api_error){.fault = *f}, str_n(NULL, 0));
    else
        api_write_fault(out, f);
}

/* ---- start and end ---- */

static int listen_at(struct head_program *p, const struct http_server_calls *calls, struct fault *f)
{
    char address[NET_ADDRESS_BYTES];
    int err = net_resolve(p->loop, p->o->host, address, f);
    if (err == 0)
        err = check_exposure(p->o, address, f);
    return err == 0 ? http_server_new(p->loop, address, p->o->port, calls, p, &p->server, f) : err;
}

/* On loopback, too, a worker reads prompts and writes answers: without --join-token, only processes
 * of our own user may join. */
static void make_token(struct head_program *p)
{
    char path[1024];
    if (p->o->join_token[0] != '\0' || secret_own(SECRET_JOIN_TOKEN, true, p->join_token) == 0)
        return;
    secret_random(p->join_token);
    secret_path(SECRET_JOIN_TOKEN, path, sizeof path);
    log_warn("HEAD NODE STARTING", EVENT("no_join_token"),
             "cannot keep a join token in %s: workers can join only if they and this head are given the same --join-token",
             path[0] != '\0' ? path : "the state folder (neither XDG_STATE_HOME nor HOME is set)");
}

static void say_if_browsers_refuse(uint16_t port)
{
    if (http_browsers_refuse(port))
        log_warn("CLUSTER STATUS", EVENT("port_refused_by_browsers", KV("port", port)),
                 "browsers refuse to open port %u: for the console, take another --port", port);
}

static void say_started(struct head_program *p)
{
    struct net_place at = net_place(p->o->host, http_server_port(p->server));
    log_info("CLUSTER STATUS", EVENT("head_started", KV("address", at.text)), "cluster started on http://%s", at.text);
    say_if_browsers_refuse(http_server_port(p->server));
    log_info("COORDINATOR MODE", EVENT("coordinator_only"),
             "head is coordinator only: waiting for worker nodes to join and register models; no models loaded here");
    log_info("REALTIME PROMPT SYSTEM", EVENT("coordinator_created"), "initializing; coordinator created and registered as 'prompt_coordinator'");
    log_info("CLUSTER RUNNING", EVENT("head_ready"), "ready for worker nodes");
    net_supervisor_say("READY=1\nSTATUS=listening on http://%s", at.text);
    if (p->o->on_started != NULL)
        p->o->on_started();
}

static void make_brain(struct head_program *p)
{
    struct head_config cfg = p->o->brain;
    cfg.seed = p->seeds.seed;
    cfg.join_token = str_of(p->join_token[0] != '\0' ? p->join_token : p->o->join_token);
    cfg.version = str_of(p->o->version);
    p->started_us = net_now_us(p->loop);
    p->brain = head_new(&cfg, p->started_us);
    p->timer = net_timer_new(p->loop, on_timer, p);
    pages_begin(p);
    watch_begin(p);
    p->keep_alive = net_timer_new(p->loop, on_keep_alive, p);
    p->leave = net_timer_new(p->loop, on_leave, p);
}

static int make_web(struct head_program *p, struct fault *f)
{
    char own[256] = "";
    const struct head_options *o = p->o;
    (void)gethostname(own, sizeof own - 1);
    struct web_config cfg = {.origins = o->allow_origins, .origins_n = o->allow_origins_n, .hosts = o->allow_hosts,
                             .hosts_n = o->allow_hosts_n, .own_host = own, .listen_host = o->host, .keyed = p->keys.n > 0};
    int err = web_init(&p->web, &cfg, f);
    if (err == 0 && p->web.any_origin && p->keys.n == 0)
        log_warn("HEAD NODE STARTING", EVENT("open_to_all_origins"),
                 "--allow-origin '*' without --api-key: every web page that a browser on this machine opens may use this head");
    return err;
}

static int start(struct head_program *p, struct fault *f)
{
    static const struct http_server_calls calls = {
        .on_request = on_request, .on_head = on_head, .on_gone = on_gone, .on_drain = on_drain, .error_body = on_error_body,
        .error_lines = on_error_lines};
    int err = keys_parse(&p->keys, p->o->api_key, f);
    if (err == 0)
        err = make_web(p, f);
    if (err != 0)
        return err;
    owner_begin(p);
    make_token(p);
    make_brain(p);
    return p->o->replace ? take_place(p, &calls, f) : listen_at(p, &calls, f);
}

static void run(struct head_program *p)
{
    net_signal(p->loop, SIGTERM, on_signal, p);
    net_signal(p->loop, SIGINT, on_signal, p);
    net_signal(p->loop, SIGHUP, on_signal, p);
    say_started(p);
    handoff_out_begin(p, p->o->replace);
    memory_begin(p);
    head_feed(p, (struct head_event){.kind = HEAD_TICK});
    on_keep_alive(p->keep_alive, p);
    net_loop_run(p->loop);
    log_flush(); /* while signals are still handled: for the second of two kills */
    handoff_out_end(p);
    if (p->server != NULL)
        http_server_close(p->server);
}

int head_main(const struct head_options *o)
{
    struct head_program p = {.o = o, .feed = feed, .written = call_written,
                             .next_link = 1,
                             .next_call = 1,
                             .frame = buf_max(WIRE_FRAME_BYTES_MAX),
                             .json = buf_max(REPLY_JSON_BYTES_MAX),
                             .started_unix_s = clock_unix_s(),
                             .seeds = {.seed = rng_at(clock_us(), (uint64_t)clock_unix_s() ^ (uint64_t)getpid() << 32)}};
    struct fault f = {0};
    snprintf(p.started_line, sizeof p.started_line, "process-start-time-unix: %lld\r\n", (long long)p.started_unix_s);
    idtab_init(&p.links);
    idtab_init(&p.calls);
    list_init(&p.doomed);
    list_init(&p.accounts);
    list_init(&p.stored);
    list_init(&p.pages);
    list_init(&p.desk);
    p.loop = net_loop_new();
    net_work_begin(p.loop);
    log_info("HEAD NODE STARTING", EVENT("head_starting"), "coordinator");
    int err = start(&p, &f);
    if (err != 0)
        log_error("HEAD NODE STARTING", EVENT("not_started", KV("code", err_name(f.err))), "cannot start the head: %s", f.text);
    else
        run(&p);
    p.stopping = true; /* from here on, closing connections only free their own memory */
    net_timer_free(p.timer);
    net_timer_free(p.keep_alive);
    net_timer_free(p.leave);
    net_loop_free(p.loop);
    pages_end(&p);
    watch_end(&p);
    stored_free_all(&p);
    accounts_end(&p);
    head_free(p.brain);
    effects_fini(&p.fx);
    idtab_fini(&p.links);
    idtab_fini(&p.calls);
    keys_fini(&p.keys);
    web_fini(&p.web);
    wire_arena_fini(&p.arena);
    buf_fini(&p.frame);
    buf_fini(&p.json);
    return err_exit(err);
}
