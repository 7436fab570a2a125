#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "head/state.h"

/* One connection of a worker or a launcher: bytes <-> frames. Happy path: link_accept -> LINK_OPEN -> frames
 * both ways -> closed -> LINK_CLOSED. It can fail by: a bad or over-long frame (the peer is told, then
 * closed); a peer that does not read (closed when its pending bytes reach their limit); incomplete frames that
 * together take too much memory (the link with the longest is told, then closed). */

struct link {
    struct id_node node;             /* in program->links */
    struct head_program *program;    /* borrowed */
    struct net_conn *conn;           /* NULL once it is closed */
    struct buf in;                   /* bytes of an incomplete frame */
    size_t bytes;                    /* of `in`, counted in program->link_bytes */
    bool welcomed;                   /* the hello was valid: long frames are allowed */
    bool closing;
};

static struct link *find(struct head_program *p, uint64_t id)
{
    struct id_node *n = idtab_get(&p->links, id);
    return n != NULL ? id_item(n, struct link, node) : NULL;
}

static void forget(struct link *l)
{
    idtab_remove(&l->program->links, &l->node);
    l->program->link_bytes -= l->bytes;
    buf_fini(&l->in);
    free(l);
}

void link_send(struct head_program *p, uint64_t id, const struct wire_msg *msg)
{
    struct link *l = find(p, id);
    if (l == NULL || l->conn == NULL || l->closing)
        return;
    if (log_traces("wire")) {
        struct buf line = buf_max(LOG_LINE_BYTES_MAX);
        wire_print(&line, msg);
        log_line(LOG_TRACE, "wire", NULL, "-> link=%llu %s", (unsigned long long)id, buf_cstr(&line));
        buf_fini(&line);
    }
    if (msg->type == WIRE_welcome)
        l->welcomed = true;
    buf_reset(&p->frame);
    if (wire_encode(&p->frame, msg) != 0 || net_write(l->conn, buf_str(&p->frame)) != 0)
        net_conn_abort(l->conn);
}

void link_close(struct head_program *p, uint64_t id)
{
    struct link *l = find(p, id);
    if (l == NULL || l->conn == NULL)
        return;
    l->closing = true;
    if (!l->welcomed && net_conn_pending(l->conn) == 0)
        net_conn_abort(l->conn); /* an unknown peer, and no output is pending: close without lingering */
    else
        net_conn_close(l->conn);
}

/* Tells the peer the reason before closing, for its log. */
static void refuse(struct link *l, const char *why)
{
    struct head_program *p = l->program;
    log_peer("not a manta message", LOG_WARN, "CLUSTER CONNECTION", EVENT("not_a_message", KV("link", l->node.id), KV("peer", net_conn_peer(l->conn))),
             "closing a link, its peer sent no valid manta message: %s", why);
    struct wire_msg msg = {.type = WIRE_refuse};
    msg.refuse = (struct wire_refuse){.error = -ERR_PROTOCOL, .message = str_of(why)};
    link_send(p, l->node.id, &msg);
    link_close(p, l->node.id);
}

static size_t on_msg(const struct wire_msg *msg, size_t frame_bytes, void *user_data)
{
    struct link *l = user_data;
    struct head_program *p = l->program;
    if (msg->type == WIRE_tokens && frame_bytes > WIRE_TOKENS_BYTES_MAX) { /* writing its event would take a second, and
                                                                            * it cannot be split */
        refuse(l, "message 'tokens': more than one step of an engine can say");
        return 0;
    }
    if (log_traces("wire")) {
        struct buf line = buf_max(LOG_LINE_BYTES_MAX);
        wire_print(&line, msg);
        log_line(LOG_TRACE, "wire", NULL, "<- link=%llu %s", (unsigned long long)l->node.id, buf_cstr(&line));
        buf_fini(&line);
    }
    head_feed(p, (struct head_event){.kind = HEAD_LINK_MSG, .link = l->node.id, .msg = msg});
    return l->closing ? 0 : l->welcomed ? WIRE_FRAME_BYTES_MAX : WIRE_HELLO_BYTES_MAX;
}

/* Handles the complete frames at the beginning of `bytes`. Returns their size. */
static size_t take_frames(struct link *l, struct str bytes)
{
    struct fault f;
    size_t read = wire_read(bytes, l->welcomed ? WIRE_FRAME_BYTES_MAX : WIRE_HELLO_BYTES_MAX, &l->program->arena, on_msg, l, &f);
    if (f.err != 0)
        refuse(l, f.text);
    return read;
}

static void count(struct link *l)
{
    size_t now = l->in.cap > LINK_OWN_BYTES ? l->in.cap : 0;
    l->program->link_bytes = l->program->link_bytes - l->bytes + now;
    l->bytes = now;
}

static void let_go(struct link *l)
{
    buf_fini(&l->in);
    count(l);
}

/* Closes the links with the longest incomplete frames while all together exceed the limit. */
static void relieve(struct head_program *p)
{
    while (p->link_bytes > HEAD_LINKS_BYTES_MAX) {
        struct link *most = NULL;
        IDTAB_EACH(pos, &p->links)
        {
            struct link *l = id_item(pos, struct link, node);
            if (l->bytes > (most != NULL ? most->bytes : 0))
                most = l;
        }
        refuse(most, "the unfinished frames of all links take too much memory, and this one's the most");
        let_go(most);
    }
}

/* Handles complete frames in place: a link between two frames, as nearly all are, holds no
 * memory. */
static void on_data(struct net_conn *c, struct str bytes, void *user_data)
{
    (void)c;
    struct link *l = user_data;
    if (l->closing)
        return;
    if (l->in.n == 0) {
        size_t taken = take_frames(l, bytes);
        bytes = str_n(bytes.p + taken, bytes.n - taken);
    }
    if (l->closing || bytes.n == 0)
        return;
    if (buf_add_str(&l->in, bytes) != 0) {
        refuse(l, "a frame over the limit");
        let_go(l);
        return;
    }
    buf_consume(&l->in, take_frames(l, buf_str(&l->in)));
    if (l->in.n == 0 || l->closing)
        buf_fini(&l->in);
    count(l);
    relieve(l->program);
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c;
    (void)err;
    struct link *l = user_data;
    struct head_program *p = l->program;
    l->conn = NULL;
    head_feed(p, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = l->node.id, .text = str_of(why)});
    forget(l);
}

void link_accept(struct head_program *p, struct http_request *r)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    struct link *l = xalloc(sizeof *l);
    l->program = p;
    l->in = buf_max(WIRE_FRAME_BYTES_MAX + NET_READ_BYTES);
    idtab_add(&p->links, &l->node, p->next_link++);
    struct str rest;
    l->conn = http_upgrade(r, WIRE_UPGRADE, &rest);
    net_conn_set(l->conn, &calls, l);
    head_feed(p, (struct head_event){.kind = HEAD_LINK_OPEN, .link = l->node.id, .peer = str_of(net_conn_peer(l->conn)),
                                     .origin = net_conn_origin(l->conn)});
    if (rest.n > 0)
        on_data(l->conn, rest, l);
}
