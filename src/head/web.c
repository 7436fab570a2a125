#include "head/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "net/net.h"

/* ---- host names ---- */

/* "name", "name:80", "[::1]:80" split. The host of an IPv6 address is stored without brackets. */
struct authority {
    struct str host, port; /* port: empty where there is none */
    bool bracketed;
};

static bool is_port(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return s.n <= 5;
}

/* Returns false if the text is no authority, or has a user in it ("a@b"), which no browser
 * sends. */
static bool split(struct str s, struct authority *out)
{
    const char *close = s.n > 0 && s.p[0] == '[' ? memchr(s.p, ']', s.n) : NULL;
    *out = (struct authority){.bracketed = close != NULL};
    size_t host_n = close != NULL ? (size_t)(close + 1 - s.p) : s.n;
    if (close == NULL) {
        const char *colon = s.n > 0 ? memchr(s.p, ':', s.n) : NULL;
        host_n = colon != NULL ? (size_t)(colon - s.p) : s.n;
    }
    out->host = close != NULL ? str_n(s.p + 1, host_n - 2) : str_n(s.p, host_n);
    if (host_n < s.n) {
        if (s.p[host_n] != ':')
            return false;
        out->port = str_n(s.p + host_n + 1, s.n - host_n - 1);
    }
    if (close == NULL && out->host.n > 0 && out->host.p[out->host.n - 1] == '.')
        out->host.n--; /* "localhost." is the same name, fully qualified */
    return out->host.n > 0 && is_port(out->port);
}

static bool same_nocase(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static bool ends_nocase(struct str s, const char *with)
{
    size_t n = strlen(with);
    return s.n > n && strncasecmp(s.p + s.n - n, with, n) == 0;
}

static bool is_localhost(struct str host)
{
    return same_nocase(host, str_of("localhost")) || ends_nocase(host, ".localhost");
}

static bool is_address(const struct authority *a)
{
    return net_is_address(a->host) && a->bracketed == (memchr(a->host.p, ':', a->host.n) != NULL);
}

static bool host_is_listed(const struct web *w, struct str host)
{
    for (uint32_t i = 0; i < w->hosts_n; i++) {
        if (same_nocase(host, str_of(w->hosts[i])))
            return true;
    }
    return false;
}

/* True if the name is this head's. A target's own authority takes precedence over the Host header
 * (RFC 9112, 3.2.2); both are checked. */
static bool host_is_ours(const struct web *w, struct str text)
{
    struct authority a;
    if (text.n == 0) /* HTTP/1.0, or a program that leaves it empty: not a browser */
        return true;
    if (net_is_address(text)) /* includes IPv6 without brackets, which some programs send */
        return true;
    return split(text, &a) && (is_address(&a) || is_localhost(a.host) || host_is_listed(w, a.host));
}

int web_check_host(const struct web *w, const struct web_request *r, struct fault *f)
{
    struct str wrong = !host_is_ours(w, r->authority) ? r->authority : r->host;
    if (w->any_host || (host_is_ours(w, r->authority) && host_is_ours(w, r->host)))
        return 0;
    return fault_set(f, ERR_FORBIDDEN,
                     "this head is not known as '%.*s' (Host): use its address or localhost, or start it with --allow-host and that name",
                     STR_ARG(utf8_head(wrong, 200)));
}

/* ---- origins ---- */

static bool is_scheme(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && (i == 0 || strchr("+-.0123456789", c) == NULL))
            return false;
    }
    return s.n > 0;
}

static bool is_host_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("/?#@\\\"'<>,;*", s.p[i]) != NULL)
            return false;
    }
    return s.n > 0;
}

/* Splits "https://chat.example:8443". */
static bool origin_split(struct str s, struct str *scheme, struct authority *a)
{
    const char *at = s.n > 0 && s.n < WEB_ORIGIN_BYTES_MAX ? memmem(s.p, s.n, "://", 3) : NULL;
    if (at == NULL)
        return false;
    *scheme = str_n(s.p, (size_t)(at - s.p));
    return is_scheme(*scheme) && split(str_n(at + 3, s.n - scheme->n - 3), a) && is_host_text(a->host);
}

static struct str default_port(struct str scheme)
{
    return str_of(same_nocase(scheme, str_of("http")) ? "80" : same_nocase(scheme, str_of("https")) ? "443" : "");
}

/* Writes an origin as browsers send it: lower case, without the scheme's default port. False: not an
 * origin. */
static bool origin_form(struct str s, char out[static WEB_ORIGIN_BYTES_MAX])
{
    struct str scheme;
    struct authority a;
    if (!origin_split(s, &scheme, &a))
        return false;
    bool port = a.port.n > 0 && !str_eq(a.port, default_port(scheme));
    int n = snprintf(out, WEB_ORIGIN_BYTES_MAX, "%.*s://%s%.*s%s%s%.*s", STR_ARG(scheme), a.bracketed ? "[" : "", STR_ARG(a.host),
                     a.bracketed ? "]" : "", port ? ":" : "", (int)(port ? a.port.n : 0), port ? a.port.p : "");
    for (int i = 0; i < n; i++)
        out[i] = (char)(out[i] >= 'A' && out[i] <= 'Z' ? out[i] | 0x20 : out[i]);
    return true;
}

static bool is_loopback_page(struct str origin)
{
    struct str scheme;
    struct authority a;
    if (!origin_split(origin, &scheme, &a) || default_port(scheme).n == 0)
        return false;
    return is_localhost(a.host) || (is_address(&a) && net_is_loopback(a.host));
}

/* True if the page came from this head, by the name that the request addresses; the name itself is
 * checked elsewhere. */
static bool is_own_page(const struct web_request *r)
{
    struct str scheme;
    struct authority page, us;
    if (!origin_split(r->origin, &scheme, &page) || !split(r->authority.n > 0 ? r->authority : r->host, &us))
        return false;
    struct str usual = default_port(scheme), from = page.port.n > 0 ? page.port : usual, to = us.port.n > 0 ? us.port : usual;
    return same_nocase(page.host, us.host) && page.bracketed == us.bracketed && str_eq(from, to);
}

static bool origin_is_listed(const struct web *w, struct str origin)
{
    char form[WEB_ORIGIN_BYTES_MAX] = "null";
    if (!str_is(origin, "null") && !origin_form(origin, form))
        return false;
    for (uint32_t i = 0; i < w->origins_n; i++) {
        if (strcmp(form, w->origins[i]) == 0)
            return true;
    }
    return false;
}

/* ---- pages ---- */

/* True if the request opens an address in a window of its own: the linking page cannot read the
 * response. */
static bool is_visit(const struct web_request *r)
{
    bool reads = str_is(r->method, "GET") || str_is(r->method, "HEAD");
    return reads && str_is(r->mode, "navigate") && (r->dest.n == 0 || str_is(r->dest, "document"));
}

int web_check_page(const struct web *w, const struct web_request *r, struct fault *f)
{
    if (w->any_origin)
        return 0;
    if (r->origin.n == 0) {
        if (r->site.n == 0 || str_is(r->site, "none") || str_is(r->site, "same-origin") || is_visit(r))
            return 0;
        return fault_set(f, ERR_FORBIDDEN,
                         "pages of other sites may not use this head (Sec-Fetch-Site: %.*s): start it with --allow-origin and the page's origin",
                         STR_ARG(utf8_head(r->site, 40)));
    }
    if (is_own_page(r) || (!w->no_loopback && is_loopback_page(r->origin)) || origin_is_listed(w, r->origin))
        return 0;
    return fault_set(f, ERR_FORBIDDEN, "pages of '%.*s' may not use this head (Origin): start it with --allow-origin and that origin",
                     STR_ARG(utf8_head(r->origin, 200)));
}

/* ---- what a page may read ---- */

void web_lines(const struct web *w, const struct web_request *r, struct buf *out)
{
    buf_puts(out, "vary: Origin\r\n");
    if (r->origin.n == 0)
        return;
    buf_printf(out, "access-control-allow-origin: %.*s\r\n", w->any_origin ? 1 : (int)r->origin.n, w->any_origin ? "*" : r->origin.p);
    buf_puts(out, "access-control-expose-headers: x-request-id, x-manta-request-id, retry-after\r\n");
}

/* True for header names separated by commas and blanks, as browsers send them. */
static bool is_name_list(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
        if (!word && strchr("-_, ", c) == NULL)
            return false;
    }
    return s.n > 0 && s.n <= 1000;
}

void web_preflight_lines(struct str asked, bool private_network, struct buf *out)
{
    /* An allowed page may send any header: SDKs have many (x-stainless-*), and none gives
     * access. */
    bool more = is_name_list(asked);
    buf_puts(out, "access-control-allow-methods: GET, HEAD, POST, DELETE, OPTIONS\r\n"
                  "access-control-allow-headers: authorization, content-type, x-api-key, api-key, last-event-id, x-session-id, "
                  "x-request-id, x-tenant-id");
    buf_printf(out, "%s%.*s\r\naccess-control-max-age: %d\r\n", more ? ", " : "", (int)(more ? asked.n : 0), more ? asked.p : "",
               WEB_PREFLIGHT_S);
    if (private_network)
        buf_puts(out, "access-control-allow-private-network: true\r\n");
}

/* ---- settings ---- */

static int add_origin(struct web *w, const char *text, struct fault *f)
{
    size_t n = strlen(text);
    struct str s = str_n(text, n > 0 && text[n - 1] == '/' ? n - 1 : n);
    if (strcmp(text, "*") == 0)
        w->any_origin = true;
    else if (strcmp(text, "none") == 0)
        w->no_loopback = true;
    else if (strcmp(text, "null") == 0)
        snprintf(w->origins[w->origins_n++], WEB_ORIGIN_BYTES_MAX, "null");
    else if (strcmp(text, "loopback") != 0 && !origin_form(s, w->origins[w->origins_n++]))
        return fault_set(f, ERR_USAGE, "--allow-origin: '%.200s' is not an origin: write it as https://chat.example or http://192.0.2.7:3000",
                         text);
    return 0;
}

static void put_host(struct web *w, struct str host)
{
    if (host.n == 0 || host.n >= WEB_ORIGIN_BYTES_MAX)
        return;
    snprintf(w->hosts[w->hosts_n++], WEB_ORIGIN_BYTES_MAX, "%.*s", STR_ARG(host));
}

static int add_host(struct web *w, const char *text, struct fault *f)
{
    struct authority a;
    bool sound = split(str_of(text), &a) && is_host_text(a.host) && a.host.n < WEB_ORIGIN_BYTES_MAX && a.port.n == 0;
    if (strcmp(text, "*") == 0)
        w->any_host = true;
    else if (!sound)
        return fault_set(f, ERR_USAGE, "--allow-host: '%.200s' is not a host name: write it as manta.example, without a port", text);
    else
        put_host(w, a.host);
    return 0;
}

int web_init(struct web *w, const struct web_config *cfg, struct fault *f)
{
    *w = (struct web){.any_host = cfg->keyed};
    w->origins = xalloc_array(cfg->origins_n + 1, sizeof *w->origins);
    w->hosts = xalloc_array(cfg->hosts_n + 3, sizeof *w->hosts);
    int err = 0;
    for (uint32_t i = 0; i < cfg->origins_n && err == 0; i++)
        err = add_origin(w, cfg->origins[i], f);
    for (uint32_t i = 0; i < cfg->hosts_n && err == 0; i++)
        err = add_host(w, cfg->hosts[i], f);
    if (!net_is_address(str_of(cfg->listen_host)))
        put_host(w, str_of(cfg->listen_host));
    put_host(w, str_of(cfg->own_host));
    put_host(w, str_n(cfg->own_host, strcspn(cfg->own_host, "."))); /* also without its domain */
    return err;
}

void web_fini(struct web *w)
{
    free(w->origins);
    free(w->hosts);
    *w = (struct web){0};
}
