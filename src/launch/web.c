/* libcurl's multi interface on our loop: libcurl names the descriptors and the time it waits for,
 * and the loop calls it back.
 *
 * 1. While libcurl runs (`inside`), none of its objects are removed: a cancelled call is only
 *    marked, and swept afterwards.
 * 2. on_done is called outside libcurl, so it may send, cancel and free. */
#include "launch/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/must.h"
#include "models/curl.h"
#include "os/file.h"

struct web {
    struct net_loop *loop;   /* borrowed */
    const struct curl_functions *curl;
    CURLM *multi;            /* owned */
    struct net_timer *timer; /* owned; libcurl's */
    struct list calls;       /* web_call.link */
    struct list watches;     /* socket.link */
    char *base, *bearer, *bearer_file, *ca_file, *cert_file, *key_file; /* owned; NULL: none */
    bool trust_anybody;
    bool inside;             /* libcurl is running */
    uint32_t held;           /* functions on the stack that still use it */
    bool gone;               /* web_free() was called while it was in use */
};

/* One of libcurl's descriptors. */
struct socket {
    struct list link;
    struct web *web;         /* borrowed */
    struct net_watch *watch; /* owned */
    curl_socket_t fd;
};

struct web_call {
    struct list link;
    struct web *web;            /* borrowed */
    CURL *easy;                 /* owned */
    struct curl_slist *headers; /* owned */
    struct buf body;            /* owned; of the answer */
    void (*on_part)(struct str bytes, void *user_data);
    void (*on_done)(const struct web_answer *a, void *user_data);
    void *user_data;
    bool cancelled;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

static void act(struct web *w, curl_socket_t fd, int ready);

/* ---- libcurl's descriptors and timer ---- */

static void on_ready(struct net_watch *watch, int ready, void *user_data)
{
    (void)watch;
    struct socket *s = user_data;
    act(s->web, s->fd, ((ready & NET_READABLE) != 0 ? CURL_CSELECT_IN : 0) | ((ready & NET_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void drop_socket(struct socket *s)
{
    list_remove(&s->link);
    net_watch_free(s->watch);
    free(s);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user_data, void *socket_data)
{
    (void)easy;
    struct web *w = user_data;
    struct socket *s = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            drop_socket(s);
        w->curl->multi_assign(w->multi, fd, NULL);
        return 0;
    }
    if (s == NULL) {
        s = xalloc(sizeof *s);
        *s = (struct socket){.web = w, .fd = fd};
        s->watch = net_watch_new(w->loop, fd, on_ready, s);
        if (s->watch == NULL) {
            free(s);
            return -1;
        }
        list_push(&w->watches, &s->link);
        w->curl->multi_assign(w->multi, fd, s);
    }
    net_watch_set(s->watch, ((what & CURL_POLL_IN) != 0 ? NET_READABLE : 0) | ((what & CURL_POLL_OUT) != 0 ? NET_WRITABLE : 0));
    return 0;
}

static int on_timer_wish(CURLM *multi, long wait_ms, void *user_data)
{
    (void)multi;
    struct web *w = user_data;
    net_timer_set(w->timer, wait_ms < 0 ? UINT64_MAX : net_now_us(w->loop) + (uint64_t)wait_ms * 1000);
    return 0;
}

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    act(user_data, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- a call's end ---- */

static void drop_call(struct web_call *c)
{
    const struct curl_functions *curl = c->web->curl;
    list_remove(&c->link);
    curl->multi_remove(c->web->multi, c->easy);
    curl->close(c->easy);
    curl->list_free(c->headers);
    buf_fini(&c->body);
    free(c);
}

static int fault_of(const struct web_call *c, CURLcode code, struct fault *f)
{
    const char *words = c->error[0] != '\0' ? c->error : c->web->curl->words(code);
    if (c->too_large)
        return fault_set(f, ERR_TOO_LARGE, "%s: the answer is larger than %zu bytes", c->web->base, c->body.max);
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_OPERATION_TIMEDOUT: return fault_set(f, ERR_TIMEOUT, "%s: %.200s", c->web->base, words);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return fault_set(f, ERR_FAILED, "%s cannot be trusted: %.200s. SSL_CERT_FILE may name the authorities of your site", c->web->base, words);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return fault_set(f, ERR_INVALID, "%s: %.200s", c->web->base, words);
    default: return fault_set(f, ERR_NET, "%s: %.200s", c->web->base, words);
    }
}

/* libcurl parses both forms, seconds and a date. */
static uint32_t retry_after(const struct web_call *c)
{
    curl_off_t s = 0;
    if (c->web->curl->get(c->easy, CURLINFO_RETRY_AFTER, &s) != CURLE_OK || s <= 0)
        return 0; /* none, or a libcurl before 7.66 */
    return s < WEB_WAIT_S_MAX ? (uint32_t)s : WEB_WAIT_S_MAX;
}

static void finish(struct web_call *c, CURLcode code)
{
    struct web_answer a = {.body = buf_str(&c->body)};
    void (*on_done)(const struct web_answer *, void *) = c->on_done;
    void *user_data = c->user_data;
    long status = 0;
    c->web->curl->get(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (fault_of(c, code, &a.fault) == 0) {
        a.status = (int)status;
        a.wait_s = retry_after(c);
    }
    struct buf kept = c->body; /* the call ends first, since on_done may free the web */
    c->body = (struct buf){0};
    drop_call(c);
    on_done(&a, user_data);
    buf_fini(&kept);
}

static void sweep(struct web *w)
{
    LIST_EACH_SAFE(pos, next, &w->calls) {
        struct web_call *c = list_item(pos, struct web_call, link);
        if (c->cancelled)
            drop_call(c);
    }
}

static void destroy(struct web *w)
{
    LIST_EACH_SAFE(pos, next, &w->calls)
        drop_call(list_item(pos, struct web_call, link));
    w->curl->multi_close(w->multi);
    LIST_EACH_SAFE(pos, next, &w->watches)
        drop_socket(list_item(pos, struct socket, link));
    net_timer_free(w->timer);
    char *const texts[] = {w->base, w->bearer, w->bearer_file, w->ca_file, w->cert_file, w->key_file};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free(w);
}

static void act(struct web *w, curl_socket_t fd, int ready)
{
    int running, left;
    CURLMsg *m;
    MUST(!w->inside);
    w->held++;
    w->inside = true;
    w->curl->multi_act(w->multi, fd, ready, &running);
    w->inside = false;
    sweep(w);
    while (!w->gone && (m = w->curl->multi_read(w->multi, &left)) != NULL) {
        void *c = NULL;
        CURLcode code = m->data.result; /* m is invalid after the call is removed */
        if (m->msg != CURLMSG_DONE)
            continue;
        w->curl->get(m->easy_handle, CURLINFO_PRIVATE, &c);
        finish(c, code);
    }
    if (--w->held == 0 && w->gone)
        destroy(w);
}

/* ---- the answer ---- */

static size_t on_bytes(char *p, size_t size, size_t n, void *user_data)
{
    struct web_call *c = user_data;
    long status = 0;
    if (c->cancelled)
        return 0;
    c->web->curl->get(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (c->on_part != NULL && status >= 200 && status < 300) {
        c->on_part(str_n(p, n * size), c->user_data);
        return c->cancelled ? 0 : n * size;
    }
    c->too_large = buf_add(&c->body, p, n * size) != 0;
    return c->too_large ? 0 : n * size;
}

/* ---- a call's beginning ---- */

static struct curl_slist *add_bearer(struct web *w, struct curl_slist *list)
{
    char token[WEB_BEARER_BYTES_MAX] = "", line[WEB_BEARER_BYTES_MAX + 64];
    if (w->bearer != NULL)
        snprintf(token, sizeof token, "%s", w->bearer);
    else if (w->bearer_file != NULL)
        /* on failure, the engine refuses the call and says why */
        file_read_text(w->bearer_file, token, sizeof token);
    token[strcspn(token, " \t\r\n")] = '\0';
    if (token[0] == '\0')
        return list;
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    return w->curl->list_add(list, line);
}

static void set_headers(struct web_call *c, const struct web_request *r)
{
    const struct curl_functions *curl = c->web->curl;
    char type[128];
    snprintf(type, sizeof type, "Content-Type: %s", r->content_type != NULL ? r->content_type : "application/json");
    c->headers = curl->list_add(NULL, "Accept: application/json, */*");
    /* no 100-continue: servers that do not know it cost a second */
    c->headers = curl->list_add(c->headers, "Expect:");
    if (r->body.n > 0)
        c->headers = curl->list_add(c->headers, type);
    c->headers = add_bearer(c->web, c->headers);
    curl->set(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static void set_trust(const struct web *w, CURL *easy)
{
    const char *authorities = w->ca_file != NULL ? w->ca_file : getenv("SSL_CERT_FILE");
    if (authorities != NULL && authorities[0] != '\0')
        w->curl->set(easy, CURLOPT_CAINFO, authorities);
    if (w->cert_file != NULL)
        w->curl->set(easy, CURLOPT_SSLCERT, w->cert_file);
    if (w->key_file != NULL)
        w->curl->set(easy, CURLOPT_SSLKEY, w->key_file);
    if (w->trust_anybody) {
        w->curl->set(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        w->curl->set(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_times(const struct web_request *r, const struct curl_functions *curl, CURL *easy)
{
    uint32_t timeout_ms = r->timeout_ms == 0 ? WEB_CALL_MS : r->timeout_ms;
    curl->set(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)WEB_CONNECT_MS);
    if (timeout_ms != UINT32_MAX)
        curl->set(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    if (r->silence_ms > 0) {
        curl->set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl->set(easy, CURLOPT_LOW_SPEED_TIME, (long)(r->silence_ms + 999) / 1000);
    }
}

static void set_up(struct web_call *c, const struct web_request *r)
{
    const struct curl_functions *curl = c->web->curl;
    struct buf url = buf_max(16384);
    buf_printf(&url, "%s%s", c->web->base, r->path);
    curl->set(c->easy, CURLOPT_URL, buf_cstr(&url));
    buf_fini(&url);
    curl->set(c->easy, CURLOPT_PRIVATE, c);
    curl->set(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->set(c->easy, CURLOPT_USERAGENT, "manta");
    curl->set(c->easy, CURLOPT_FOLLOWLOCATION, 0L); /* a token must not follow a redirect to another server */
    curl->set(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl->set(c->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->set(c->easy, CURLOPT_ERRORBUFFER, c->error);
    curl->set(c->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl->set(c->easy, CURLOPT_WRITEDATA, c);
    if (r->body.n > 0) {
        curl->set(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        curl->set(c->easy, CURLOPT_POSTFIELDS, r->body.p);
    } else if (strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0) {
        curl->set(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        curl->set(c->easy, CURLOPT_POSTFIELDS, "");
    }
    curl->set(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
    set_headers(c, r);
    set_trust(c->web, c->easy);
    set_times(r, curl, c->easy);
}

struct web_call *web_send(struct web *w, const struct web_request *r)
{
    MUST(r->path[0] == '/');
    MUST(r->on_done != NULL);
    struct web_call *c = xalloc(sizeof *c);
    *c = (struct web_call){
        .web = w,
        .easy = w->curl->open(),
        .body = buf_max(r->answer_bytes_max > 0 ? r->answer_bytes_max : WEB_ANSWER_BYTES_MAX),
        .on_part = r->on_part,
        .on_done = r->on_done,
        .user_data = r->user_data,
    };
    MUST(c->easy != NULL); /* fails only without memory */
    list_push(&w->calls, &c->link);
    set_up(c, r);
    MUST(w->curl->multi_add(w->multi, c->easy) == CURLM_OK);
    return c;
}

void web_cancel(struct web_call *c)
{
    if (c->web->inside)
        c->cancelled = true;
    else
        drop_call(c);
}

/* ---- a web's life ---- */

static char *copy_of(const char *text)
{
    return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

static int check_base(const char *base, struct fault *f)
{
    size_t scheme = strncmp(base, "http://", 7) == 0 ? 7 : strncmp(base, "https://", 8) == 0 ? 8 : 0;
    size_t host = strcspn(base + scheme, "/?#");
    if (scheme == 0 || host == 0 || strpbrk(base, " \t\r\n?#@") != NULL)
        return fault_set(f, ERR_INVALID, "'%.200s' is not an address like http://HOST:PORT or https://HOST:PORT", base);
    return 0;
}

int web_open(struct net_loop *l, const struct web_config *cfg, struct web **out, struct fault *f)
{
    const struct curl_functions *curl;
    int err = check_base(cfg->base, f);
    if (err == 0)
        err = curl_functions(&curl, f);
    if (err != 0)
        return err;
    struct web *w = xalloc(sizeof *w);
    *w = (struct web){
        .loop = l,
        .curl = curl,
        .multi = curl->multi_open(),
        .base = copy_of(cfg->base),
        .bearer = copy_of(cfg->bearer),
        .bearer_file = copy_of(cfg->bearer_file),
        .ca_file = copy_of(cfg->ca_file),
        .cert_file = copy_of(cfg->cert_file),
        .key_file = copy_of(cfg->key_file),
        .trust_anybody = cfg->trust_anybody,
    };
    MUST(w->multi != NULL);
    list_init(&w->calls);
    list_init(&w->watches);
    for (size_t n = strlen(w->base); n > 0 && w->base[n - 1] == '/'; n--)
        w->base[n - 1] = '\0';
    w->timer = net_timer_new(l, on_timer, w);
    curl->multi_set(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl->multi_set(w->multi, CURLMOPT_SOCKETDATA, w);
    curl->multi_set(w->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl->multi_set(w->multi, CURLMOPT_TIMERDATA, w);
    *out = w;
    return 0;
}

void web_free(struct web *w)
{
    if (w == NULL)
        return;
    LIST_EACH(pos, &w->calls)
        list_item(pos, struct web_call, link)->cancelled = true;
    w->gone = true;
    if (w->held == 0)
        destroy(w);
}
