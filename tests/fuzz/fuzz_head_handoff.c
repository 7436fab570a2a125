/* Any head that hands its place over: frames that decode, in any order, with connections or without. Whatever comes, the head that
 * takes it ends with a whole place whose brain keeps its invariants, or with nothing.
 *
 * The input is a list of steps: a byte what, then what it needs. Right listeners, connections, jobs, calls and ends are steps of their own,
 * so that what follows them is reached soon. The other head is a thread: both sides wait for each other, as they do. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <unistd.h>

#include "as_frame.h"
#include "base/log.h"
#include "base/must.h"
#include "head/account.h"
#include "head/handoff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 64 };

struct left {
    const uint8_t *p;
    size_t n;
};

/* The other head. */
struct giver {
    int landing;
    struct left in;
    struct wire_arena arena;
    uint32_t conns, calls;
};

static uint8_t next(struct left *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

static struct str next_bytes(struct left *in)
{
    size_t n = next(in);
    n = n < in->n ? n : in->n;
    struct str s = str_n((const char *)in->p, n);
    in->p += n;
    in->n -= n;
    return s;
}

/* ---- frames out ---- */

static void put(int to, struct str frame, int fd)
{
    uint32_t head = (uint32_t)frame.n | (fd >= 0 ? 1u << 31 : 0);
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)frame.p, frame.n}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control.room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    (void)sendmsg(to, &m, MSG_NOSIGNAL); /* frames are small: all of it, or nobody is there */
}

static void say(int to, const struct wire_msg *msg, int fd)
{
    struct buf frame = buf_max(1 << 20);
    if (wire_encode(&frame, msg) == 0)
        put(to, buf_str(&frame), fd);
    buf_fini(&frame);
}

static int a_listener(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0);
    return fd;
}

static void say_conn(struct giver *g, int to, uint8_t how)
{
    struct wire_msg m = {.type = WIRE_moved_conn}, bytes = {.type = WIRE_moved_bytes};
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct str came = next_bytes(&g->in), unsent = next_bytes(&g->in);
    m.moved_conn = (struct wire_moved_conn){.stage = how & 7, .keep_alive = how >> 3 & 1, .old = how >> 4 & 1, .asks = (how & 7) == 2 || (how & 7) == 3,
                                            .came_bytes = (uint32_t)came.n, .unsent_bytes = (uint32_t)unsent.n};
    say(to, &m, pair[0]);
    struct str both[] = {came, unsent};
    for (int i = 0; i < 2; i++) {
        bytes.moved_bytes.bytes = both[i];
        if (both[i].n > 0)
            say(to, &bytes, -1);
    }
    g->conns++;
    close(pair[0]);
    close(pair[1]);
}

static void say_job(struct giver *g, int to)
{
    static const int32_t ids[8] = {7, 8, 9, 10, 11, 12, 13, 14};
    struct wire_msg m = {.type = WIRE_moved_job};
    uint8_t how = next(&g->in), said = next(&g->in);
    m.moved_job = (struct wire_moved_job){.branch = how & 3, .attempt = how >> 2 & 3, .said = said & 7, .ids = {ids, how & 16 ? 0 : said & 7},
                                          .same_file = str_of(how & 32 ? "" : "1 digest d"), .same_bits = str_of(how & 64 ? "1 digest d context" : "")};
    say(to, &m, -1);
}

static void say_call(struct giver *g, int to)
{
    struct wire_input inputs[2] = {{.text = str_of("one")}, {.text = str_of("two")}};
    struct wire_msg m = {.type = WIRE_moved_call}, run = {.type = WIRE_run};
    struct wire_moved_call *c = &m.moved_call;
    struct buf frame = buf_max(4096);
    uint8_t what = next(&g->in), flags = next(&g->in), branches = next(&g->in), shape = next(&g->in);
    char note[22] = {2, (char)(shape & 3), (char)(flags & 7), (char)(shape >> 2 & 3), (char)(branches & 3)};
    char places[64];
    run.run = (struct wire_run){.kind = what & 3, .text = str_of("hi"), .sampling.prompt_ids = flags & 1};
    MUST(wire_encode(&frame, &run) == 0);
    struct str more = next_bytes(&g->in);
    int n = snprintf(places, sizeof places, "%016x%s-%d,%d%s", 77u + (what >> 6), flags & 16 ? "w" : "", branches & 7, branches >> 3 & 7,
                     flags & 32 ? "d" : "");
    *c = (struct wire_moved_call){.name = 77u + (what >> 6), .stream = 7, .places = more.n > 0 ? more : str_n(places, (size_t)n),
                                  .started = branches, .begun = flags & 1,
                                  .seeks = (what & 0x3c) == 0, .total = branches & 7, .client = str_n(note, sizeof note), .run = buf_str(&frame),
                                  .model = str_of(flags & 8 ? "m" : ""), .tenant = str_of(flags & 4 ? "t" : ""), .inputs = inputs, .inputs_n = what & 4 ? 2 : 0,
                                  .count = branches & 3, .spread = flags >> 6 & 1, .spread_pending = flags >> 7, .seq = branches, .reported = flags >> 1 & 1,
                                  .branches = 1 + (branches >> 6), .dimensions = what};
    say(to, &m, -1);
    buf_fini(&frame);
    g->calls++;
}

static void say_account(struct giver *g, int to)
{
    static const char *const ids[] = {"chatcmpl-1", "cmpl-1", "embd-1", ""};
    uint8_t how = next(&g->in), steps = next(&g->in), kind = next(&g->in);
    struct str text = next_bytes(&g->in);
    struct wire_moved_candidate candidates[9] = {{.node = text, .cost_s = kind}};
    struct wire_moved_step step[9] = {{.kind = kind & 7, .why = text, .node = text, .text = text, .candidates = candidates, .candidates_n = kind >> 4}};
    struct wire_msg m = {.type = WIRE_moved_account};
    step[0].candidates_n = step[0].candidates_n < 9 ? step[0].candidates_n : 9;
    m.moved_account = (struct wire_moved_account){.id = str_of(ids[how & 3]), .shape = how >> 2 & 7, .ended = how >> 5 & 1, .client_id = text,
                                                  .model = text, .tenant = text, .node = text, .finish = text, .error = text, .steps = step,
                                                  .steps_n = steps % 10};
    say(to, &m, -1);
}

static void say_raw(struct giver *g, int to)
{
    char frame[WIRE_HEADER_BYTES + 256];
    struct wire_msg m;
    uint8_t number = next(&g->in);
    struct str fields = next_bytes(&g->in);
    if (as_frame(number, fields, frame, &g->arena, &m))
        put(to, str_n(frame, WIRE_HEADER_BYTES + fields.n), -1);
    else
        put(to, fields, -1);
}

static void *give(void *user_data)
{
    struct giver *g = user_data;
    int to = accept(g->landing, NULL, NULL);
    for (int step = 0; step < STEPS_MAX && g->in.n > 0; step++) {
        uint8_t what = next(&g->in);
        if (what >= 250) { /* other numbers are in the corpus */
            say_account(g, to);
            continue;
        }
        int listener = what % 6 == 0 ? a_listener() : -1;
        switch (what % 6) {
        case 0: say(to, &(struct wire_msg){.type = WIRE_yields, .yields.workers = what / 6}, listener); break;
        case 1: say_conn(g, to, what / 6); break;
        case 2: say_job(g, to); break;
        case 3: say_call(g, to); break;
        case 4: say(to, &(struct wire_msg){.type = WIRE_moved_all, .moved_all = {.conns = g->conns, .calls = g->calls}}, -1); break;
        default: say_raw(g, to); break;
        }
        if (listener >= 0)
            close(listener);
    }
    char rest[512];
    shutdown(to, SHUT_WR);
    while (read(to, rest, sizeof rest) > 0)
        ;
    close(to);
    wire_arena_fini(&g->arena);
    return NULL;
}

/* ---- the head that takes ---- */

static int landing_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0);
    return fd;
}

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t, (void)user_data;
}

static void on_request(struct http_request *r, void *user_data)
{
    (void)r, (void)user_data;
}

/* What the brain would have done is not: nobody is there. */
static void feed(struct head_program *p, struct head_event ev)
{
    ev.now_us = net_now_us(p->loop);
    effects_reset(&p->fx);
    head_step(p->brain, &ev, &p->fx);
}

static void take(const struct head_options *o)
{
    static const struct http_server_calls calls = {.on_request = on_request};
    struct head_program p = {.o = o, .feed = feed, .next_link = 1, .next_call = 1,
                             .frame = buf_max(WIRE_FRAME_BYTES_MAX), .json = buf_max(REPLY_JSON_BYTES_MAX)};
    struct fault f = {0};
    idtab_init(&p.links);
    idtab_init(&p.calls);
    list_init(&p.doomed);
    list_init(&p.accounts);
    p.loop = net_loop_new();
    p.brain = head_new(&o->brain, net_now_us(p.loop));
    p.timer = net_timer_new(p.loop, on_timer, &p);
    int err = take_place(&p, &calls, &f);
    MUST((err == 0) == (p.server != NULL) && (err == 0 || (p.calls.n == 0 && p.accounts_n == 0 && f.text[0] != '\0')));
    head_check(p.brain, UINT64_MAX);
    if (p.server != NULL)
        http_server_let_go(p.server);
    replace_forget_calls(&p);
    accounts_end(&p);
    MUST(p.accounts_n == 0);
    p.stopping = true;
    net_timer_free(p.timer);
    net_loop_free(p.loop);
    head_free(p.brain);
    effects_fini(&p.fx);
    idtab_fini(&p.links);
    idtab_fini(&p.calls);
    wire_arena_fini(&p.arena);
    buf_fini(&p.frame);
    buf_fini(&p.json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head_options o = {.host = "fuzz", .port = (uint16_t)getpid(), .api_key = "", .join_token = "", .version = "1", .answer_bytes_max = 1 << 20,
                             .brain = head_config_default()};
    char path[REPLACE_PATH_BYTES];
    struct giver g = {.in = {data, size}};
    pthread_t other;
    log_set_level(LOG_ERROR);
    MUST(handoff_path(o.host, o.port, path, sizeof path, NULL) == 0);
    g.landing = landing_at(path);
    MUST(pthread_create(&other, NULL, give, &g) == 0);
    take(&o);
    MUST(pthread_join(other, NULL) == 0);
    close(g.landing);
    unlink(path);
    return 0;
}
