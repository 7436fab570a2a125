/* Parse addresses as people type them: "head", "head:8470", "http://10.0.0.4:8470/",
 * "[::1]:8470", "8470", and lists of these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "http/text.h"

#define SHAPE "use host, host:port or http://host:port"
#define THIS_MACHINE "127.0.0.1"

static bool begins(struct str s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && str_is_nocase(str_n(s.p, n), with);
}

/* "8470" -> 8470; 0 for anything else. */
static uint16_t port_of(struct str digits)
{
    uint32_t port = 0;
    if (digits.n == 0 || digits.n > 5)
        return 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return 0;
        port = port * 10 + (uint32_t)(digits.p[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool host_is_sound(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (c <= ' ' || c == 0x7f || strchr("/?#@[]\\\"'<>,;", c) != NULL)
            return false;
    }
    return host.n > 0;
}

static bool is_number(struct str s)
{
    size_t digits = 0;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    return s.n > 0 && digits == s.n;
}

/* Splits host from port. Returns false when the brackets of an IPv6 address do not match. */
static bool split(struct str s, struct str *host, struct str *port, bool *has_port)
{
    const char *close = NULL, *colon = s.n > 0 ? memrchr(s.p, ':', s.n) : NULL;
    if (is_number(s)) { /* no host name is only digits */
        *host = str_of(THIS_MACHINE);
        *port = s;
        *has_port = true;
        return true;
    }
    if (s.n > 0 && s.p[0] == '[') {
        close = memchr(s.p, ']', s.n);
        if (close == NULL || (close + 1 != s.p + s.n && close[1] != ':'))
            return false;
        *host = str_n(s.p + 1, (size_t)(close - s.p - 1));
        *has_port = close + 1 != s.p + s.n;
        *port = *has_port ? str_n(close + 2, (size_t)(s.p + s.n - close - 2)) : (struct str){0};
        return true;
    }
    /* several colons and no brackets: the whole text is an IPv6 address */
    *has_port = colon != NULL && memchr(s.p, ':', (size_t)(colon - s.p)) == NULL;
    *host = *has_port ? str_n(s.p, (size_t)(colon - s.p)) : s;
    *port = *has_port ? str_n(colon + 1, (size_t)(s.p + s.n - colon - 1)) : (struct str){0};
    return true;
}

/* In a URL the zone of a link-local address is written "fe80::1%25eth0" (RFC 6874). */
static void plain_zone(char *host)
{
    char *zone = strstr(host, "%25");
    if (zone != NULL && zone[3] != '\0')
        memmove(zone + 1, zone + 3, strlen(zone + 3) + 1);
}

/* Cuts the path off. Returns it if it says something: clients of other APIs are given a base URL that
 * ends with "/v1". */
static struct str cut_path(struct str *s)
{
    const char *slash = s->n > 0 ? memchr(s->p, '/', s->n) : NULL;
    if (slash == NULL)
        return (struct str){0};
    struct str path = str_n(slash, (size_t)(s->p + s->n - slash));
    s->n = (size_t)(slash - s->p);
    return str_is(path, "/") || str_is(path, "/v1") || str_is(path, "/v1/") ? (struct str){0} : path;
}

int http_parse_address(const char *text, uint16_t default_port, char *host, size_t host_cap, uint16_t *port,
                       struct fault *f)
{
    struct str s = str_trim(str_of(text)), name = {0}, digits = {0};
    bool has_port = false;
    if (begins(s, "https://"))
        return fault_set(f, ERR_UNSUPPORTED, "'%s': TLS is not supported: use http://host:port", text);
    bool is_url = begins(s, "http://");
    if (is_url)
        s = str_n(s.p + 7, s.n - 7);
    bool other_scheme = str_holds(s, "://");
    struct str path = other_scheme ? (struct str){0} : cut_path(&s);
    if (path.n > 0 && s.n > 0)
        return fault_set(f, ERR_INVALID, "'%s' has a path, '%.*s': the address of a head has none, use http://%.*s", text, STR_ARG(path), STR_ARG(s));
    if (other_scheme || !split(s, &name, &digits, &has_port) || !host_is_sound(name))
        return fault_set(f, ERR_INVALID, "'%s' is not an address: " SHAPE, text);
    if (name.n >= host_cap)
        return fault_set(f, ERR_INVALID, "the host name in '%.60s…' is longer than %zu bytes", text, host_cap - 1);
    uint16_t number = has_port ? port_of(digits) : default_port;
    if (number == 0)
        return fault_set(f, ERR_INVALID, "'%.*s' in '%s' is not a port: use a number from 1 to 65535",
                         STR_ARG(digits), text);
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    if (is_url)
        plain_zone(host);
    *port = number;
    return 0;
}

int http_parse_addresses(const char *list, uint16_t default_port, struct http_address *out, uint32_t max, uint32_t *out_n,
                         struct fault *f)
{
    uint32_t n = 0;
    for (const char *at = list;; at++) {
        char one[300]; /* a name cut off here is too long anyway */
        size_t bytes = strcspn(at, ",");
        if (n == max)
            return fault_set(f, ERR_INVALID, "'%.100s' names more than %u addresses", list, max);
        snprintf(one, sizeof one, "%.*s", (int)(bytes < sizeof one ? bytes : sizeof one - 1), at);
        int err = http_parse_address(one, default_port, out[n].host, sizeof out[n].host, &out[n].port, f);
        if (err != 0)
            return err;
        n++;
        at += bytes;
        if (*at == '\0')
            break;
    }
    *out_n = n;
    return 0;
}
