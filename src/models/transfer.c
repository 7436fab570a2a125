#include "models/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "models/curl.h"

enum { HEADER_BYTES_MAX = 4096, IGNORED_BYTES_MAX = 65536, READ_BYTES = 256 << 10 };

/* One request and its answer, in a chain of redirects. */
struct hop {
    struct transfer *t;
    bool hub;          /* the first host, not a redirect's target: gets the token, and its X-Linked-… are believed */
    bool head_done;
    size_t ignored;    /* bytes of the body of an error answer */
    int err;           /* of a callback */
    struct fault *f;
};

struct transfer_text transfer_show(const char *url)
{
    struct transfer_text out;
    snprintf(out.text, sizeof out.text, "%.*s", (int)strcspn(url, "?#"), url);
    return out;
}

bool transfer_same_host(const char *a, const char *b)
{
    const char *host = strstr(a, "://");
    size_t n = host != NULL ? (size_t)(host - a) + 3 : 0;
    n += strcspn(a + n, "/?#");
    return host != NULL && strncasecmp(a, b, n) == 0 && (b[n] == '\0' || strchr("/?#", b[n]) != NULL);
}

/* ---- headers ---- */

static uint64_t parse_size(struct str s)
{
    char digits[24];
    if (s.n == 0 || s.n >= sizeof digits || s.p[0] < '0' || s.p[0] > '9')
        return TRANSFER_UNKNOWN;
    memcpy(digits, s.p, s.n);
    digits[s.n] = '\0';
    return strtoull(digits, NULL, 10);
}

static void keep(char *out, size_t cap, struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && n + 1 < cap; i++)
        if ((unsigned char)s.p[i] >= ' ' && (unsigned char)s.p[i] < 0x7f)
            out[n++] = s.p[i];
    out[n] = '\0';
}

/* Parses "bytes 5-9/10", or "bytes * /10" of a 416. */
static void parse_range(struct transfer_head *h, struct str s)
{
    const char *end = s.p + s.n, *slash = memchr(s.p, '/', s.n), *dash = memchr(s.p, '-', s.n);
    if (s.n < 6 || strncasecmp(s.p, "bytes ", 6) != 0 || slash == NULL)
        return;
    h->range_total = parse_size(str_n(slash + 1, (size_t)(end - slash - 1)));
    if (dash != NULL && dash < slash)
        h->range_start = parse_size(str_n(s.p + 6, (size_t)(dash - s.p - 6)));
}

/* A header's text is not terminated. */
static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (memchr("0123456789abcdef", s.p[i], 16) == NULL)
            return false;
    return true;
}

/* Takes a SHA-256, with or without quotes; an MD5 or a git id is ignored. */
static void parse_linked(struct transfer_head *h, struct str s)
{
    if (s.n >= 2 && s.p[0] == '"')
        s = str_n(s.p + 1, s.n - 2);
    if (s.n == 64 && is_hex(s))
        keep(h->linked_sha256, sizeof h->linked_sha256, s);
}

static void take_header(struct transfer_head *h, struct str name, struct str value, bool hub)
{
    char key[32];
    snprintf(key, sizeof key, "%.*s", STR_ARG(name));
    if (strcasecmp(key, "content-length") == 0)
        h->length = parse_size(value);
    else if (strcasecmp(key, "content-range") == 0)
        parse_range(h, value);
    else if (strcasecmp(key, "etag") == 0)
        keep(h->etag, sizeof h->etag, value);
    else if (strcasecmp(key, "content-type") == 0)
        for (keep(h->type, sizeof h->type, str_n(value.p, value.n)); strpbrk(h->type, "; ") != NULL;)
            *strpbrk(h->type, "; ") = '\0';
    else if (strcasecmp(key, "retry-after") == 0)
        h->retry_after_s = parse_size(value) < 86400 ? (uint32_t)parse_size(value) : 0;
    else if (strcasecmp(key, "x-error-message") == 0)
        keep(h->message, sizeof h->message, value);
    else if (strcasecmp(key, "x-linked-size") == 0 && hub)
        h->linked_size = parse_size(value);
    else if (strcasecmp(key, "x-linked-etag") == 0 && hub)
        parse_linked(h, value);
}

/* A status line begins an answer: the headers of an earlier one are void. */
static void begin_answer(struct transfer_head *h)
{
    h->type[0] = h->etag[0] = h->message[0] = '\0';
    h->length = h->range_start = h->range_total = TRANSFER_UNKNOWN;
    h->retry_after_s = 0;
}

void transfer_header(struct transfer_head *h, struct str line, bool hub)
{
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
        line.n--;
    if (line.n == 0 || line.n > HEADER_BYTES_MAX)
        return;
    if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0) {
        begin_answer(h);
        return;
    }
    const char *colon = memchr(line.p, ':', line.n);
    if (colon == NULL)
        return;
    struct str value = str_n(colon + 1, line.n - (size_t)(colon + 1 - line.p));
    while (value.n > 0 && value.p[0] == ' ')
        value = str_n(value.p + 1, value.n - 1);
    take_header(h, str_n(line.p, (size_t)(colon - line.p)), value, hub);
}

static size_t on_header(char *p, size_t size, size_t n, void *user_data)
{
    struct hop *hop = user_data;
    transfer_header(&hop->t->head, str_n(p, n * size), hop->hub);
    return n * size;
}

/* ---- the body ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int tell_head(struct hop *hop)
{
    if (hop->head_done || is_redirect(hop->t->head.status))
        return 0;
    hop->head_done = true;
    hop->err = hop->t->on_head(&hop->t->head, hop->t->user_data, hop->f);
    return hop->err;
}

struct body {
    struct hop hop;
    const struct curl_functions *curl;
    CURL *c;
};

static size_t on_bytes(char *p, size_t size, size_t n, void *user_data)
{
    struct body *b = user_data;
    struct hop *hop = &b->hop;
    long status = 0;
    b->curl->get(b->c, CURLINFO_RESPONSE_CODE, &status);
    hop->t->head.status = (int)status;
    if (tell_head(hop) != 0)
        return 0;
    if (status != 200 && status != 206) {
        hop->ignored += n * size;
        return hop->ignored > IGNORED_BYTES_MAX ? 0 : n * size;
    }
    hop->err = hop->t->on_body(p, n * size, hop->t->user_data, hop->f);
    return hop->err != 0 ? 0 : n * size;
}

/* ---- one answer ---- */

static struct curl_slist *request_headers(const struct transfer *t, const struct curl_functions *curl, bool hub)
{
    char line[1024];
    struct curl_slist *list = curl->list_add(NULL, "Accept: */*");
    if (hub && t->token != NULL && t->token[0] != '\0' && snprintf(line, sizeof line, "Authorization: Bearer %s", t->token) < (int)sizeof line)
        list = curl->list_add(list, line);
    if (t->from > 0 && t->if_range != NULL && t->if_range[0] != '\0' &&
        snprintf(line, sizeof line, "If-Range: %s", t->if_range) < (int)sizeof line)
        list = curl->list_add(list, line);
    return list;
}

static void set_up(struct body *b, const char *url, struct curl_slist *headers, char *error)
{
    const struct curl_functions *curl = b->curl;
    const struct transfer *t = b->hop.t;
    const char *authorities = getenv("SSL_CERT_FILE"); /* a site's own, as for openssl, curl and python */
    char range[32];
    curl->set(b->c, CURLOPT_URL, url);
    curl->set(b->c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->set(b->c, CURLOPT_USERAGENT, "manta");
    curl->set(b->c, CURLOPT_HTTPHEADER, headers);
    curl->set(b->c, CURLOPT_FOLLOWLOCATION, 0L); /* followed by us, to control which host gets the token */
    curl->set(b->c, CURLOPT_NOSIGNAL, 1L);
    curl->set(b->c, CURLOPT_CONNECTTIMEOUT, (long)TRANSFER_CONNECT_S);
    curl->set(b->c, CURLOPT_LOW_SPEED_LIMIT, (long)TRANSFER_SLOW_BYTES);
    curl->set(b->c, CURLOPT_LOW_SPEED_TIME, (long)t->stall_s);
    curl->set(b->c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->set(b->c, CURLOPT_BUFFERSIZE, (long)READ_BYTES);
    curl->set(b->c, CURLOPT_ERRORBUFFER, error);
    curl->set(b->c, CURLOPT_HEADERFUNCTION, on_header);
    curl->set(b->c, CURLOPT_HEADERDATA, &b->hop);
    curl->set(b->c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl->set(b->c, CURLOPT_WRITEDATA, b);
    if (authorities != NULL && authorities[0] != '\0')
        curl->set(b->c, CURLOPT_CAINFO, authorities);
    if (t->from > 0) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)t->from);
        curl->set(b->c, CURLOPT_RANGE, range); /* copied by libcurl */
    }
}

static int explain(struct transfer *t, CURLcode code, const char *words, const char *url, struct fault *f)
{
    struct transfer_text shown = transfer_show(url);
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return fault_set(f, ERR_NET, "%s cannot be trusted: %.120s. SSL_CERT_FILE may name the authorities of your site", shown.text, words);
    case CURLE_OPERATION_TIMEDOUT:
        t->again = true;
        return fault_set(f, ERR_TIMEOUT, "%s: %.120s", shown.text, words);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return fault_set(f, ERR_PROTOCOL, "%s: %.120s", shown.text, words);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        t->again = true;
        return fault_set(f, ERR_NET, "%s: %.120s. Is this machine on the network, or is a proxy to be set (https_proxy)? What is here already: manta models",
                         shown.text, words);
    default:
        t->again = true;
        return fault_set(f, ERR_NET, "%s: %.120s", shown.text, words);
    }
}

/* next: the target of a redirect, or empty. */
static int one_hop(struct transfer *t, const struct curl_functions *curl, const char *url, char next[TRANSFER_URL_BYTES], struct fault *f)
{
    char error[CURL_ERROR_SIZE] = "";
    bool hub = transfer_same_host(url, t->url);
    struct body b = {.hop = {.t = t, .hub = hub, .f = f}, .curl = curl, .c = curl->open()};
    next[0] = '\0';
    if (b.c == NULL)
        return fault_set(f, ERR_FAILED, "libcurl cannot be started");
    struct curl_slist *headers = request_headers(t, curl, hub);
    set_up(&b, url, headers, error);
    CURLcode code = curl->run(b.c);
    long status = 0;
    char *to = NULL;
    curl->get(b.c, CURLINFO_RESPONSE_CODE, &status);
    curl->get(b.c, CURLINFO_REDIRECT_URL, &to);
    t->head.status = (int)status;
    if (is_redirect(t->head.status) && to != NULL && strlen(to) < TRANSFER_URL_BYTES)
        memcpy(next, to, strlen(to) + 1);
    int err = b.hop.err;
    bool cut = code == CURLE_WRITE_ERROR && b.hop.ignored > IGNORED_BYTES_MAX; /* cut by us: the body is not needed */
    if (err == 0 && code != CURLE_OK && !cut)
        err = explain(t, code, error[0] != '\0' ? error : curl->words(code), url, f);
    if (err == 0)
        err = tell_head(&b.hop);
    curl->list_free(headers);
    curl->close(b.c);
    return err;
}

int transfer_run(struct transfer *t, struct fault *f)
{
    const struct curl_functions *curl;
    static char urls[2][TRANSFER_URL_BYTES]; /* static, to save 16 kB of stack: the process has one thread while it
                                                downloads */
    int err = curl_functions(&curl, f);
    t->again = false;
    t->head = (struct transfer_head){.linked_size = TRANSFER_UNKNOWN};
    begin_answer(&t->head);
    if (err != 0)
        return err;
    if (strlen(t->url) >= TRANSFER_URL_BYTES)
        return fault_set(f, ERR_INVALID, "the address has more than %d bytes", TRANSFER_URL_BYTES - 1);
    memcpy(urls[0], t->url, strlen(t->url) + 1);
    for (int hop = 0; hop <= TRANSFER_REDIRECTS_MAX; hop++) {
        char *now = urls[hop % 2], *next = urls[(hop + 1) % 2];
        err = one_hop(t, curl, now, next, f);
        if (err != 0 || !is_redirect(t->head.status))
            return err;
        if (next[0] == '\0')
            return fault_set(f, ERR_PROTOCOL, "%s redirects to nowhere", transfer_show(now).text);
        if (strncasecmp(now, "https:", 6) == 0 && strncasecmp(next, "https:", 6) != 0)
            return fault_set(f, ERR_PROTOCOL, "%s redirects to an address without encryption, %.100s: refused", transfer_show(now).text,
                             transfer_show(next).text);
    }
    return fault_set(f, ERR_PROTOCOL, "%s redirects more than %d times", transfer_show(t->url).text, TRANSFER_REDIRECTS_MAX);
}
