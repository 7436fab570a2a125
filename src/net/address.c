/* Socket addresses <-> text. */
#include <arpa/inet.h>
#include <stdio.h>

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

bool address_parse(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    return uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0;
}
