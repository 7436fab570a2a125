/* Convert socket addresses to text and back. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "net/conn.h"

void address_text(const struct sockaddr_storage *a, char out[static NET_ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
        uv_ip6_name(v6, host, sizeof host);
        snprintf(out, NET_ADDRESS_BYTES, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
        uv_ip4_name(v4, host, sizeof host);
        snprintf(out, NET_ADDRESS_BYTES, "%s:%u", host, ntohs(v4->sin_port));
    }
}

uint64_t address_origin(const struct sockaddr_storage *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    uint64_t prefix = 0;
    uint32_t v4 = 0;
    if (a->ss_family == AF_INET)
        memcpy(&v4, &((const struct sockaddr_in *)a)->sin_addr, sizeof v4);
    else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        memcpy(&v4, (const char *)&v6->sin6_addr + 12, sizeof v4);
    else
        memcpy(&prefix, &v6->sin6_addr, sizeof prefix);
    return v4 != 0 ? v4 : prefix;
}

bool address_parse(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    return uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0;
}

void address_host(const struct sockaddr_storage *a, char out[static NET_ADDRESS_BYTES])
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    char zone[UV_IF_NAMESIZE];
    size_t zone_n = sizeof zone;
    if (a->ss_family != AF_INET6) {
        uv_ip4_name((const struct sockaddr_in *)a, out, NET_ADDRESS_BYTES);
        return;
    }
    uv_ip6_name(v6, out, NET_ADDRESS_BYTES);
    if (v6->sin6_scope_id != 0 && uv_if_indextoname(v6->sin6_scope_id, zone, &zone_n) == 0)
        snprintf(out + strlen(out), NET_ADDRESS_BYTES - strlen(out), "%%%s", zone);
}

static bool is_loopback(const struct sockaddr_storage *a)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    if (a->ss_family != AF_INET6)
        return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (memcmp(v6->s6_addr, mapped, sizeof mapped) == 0 && v6->s6_addr[12] == 127);
}

static bool parse_str(struct str text, struct sockaddr_storage *out)
{
    char host[NET_ADDRESS_BYTES];
    if (text.n >= sizeof host || memchr(text.p != NULL ? text.p : "", '\0', text.n) != NULL)
        return false;
    snprintf(host, sizeof host, "%.*s", STR_ARG(text));
    return address_parse(host, 0, out);
}

bool net_is_address(struct str text)
{
    struct sockaddr_storage a = {0};
    return parse_str(text, &a);
}

bool net_is_loopback(struct str text)
{
    struct sockaddr_storage a = {0};
    return parse_str(text, &a) && is_loopback(&a);
}

struct net_place net_place(const char *host, unsigned port)
{
    struct net_place p;
    bool v6 = strchr(host, ':') != NULL && host[0] != '[';
    snprintf(p.text, sizeof p.text, v6 ? "[%.255s]:%u" : "%.255s:%u", host, port);
    return p;
}

const char *net_reachable(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found = NULL;
    const char *reachable = host;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return host; /* a name, or nothing at all: dialling will show */
    if (found->ai_family == AF_INET && ((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr.s_addr == INADDR_ANY)
        reachable = "127.0.0.1";
    if (found->ai_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr))
        reachable = "::1";
    freeaddrinfo(found);
    return reachable;
}
