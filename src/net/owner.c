/* Find the user at the other end of a connection within this machine: the kernel lists all
 * sockets with their users. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/conn.h"

enum { SIDE_BYTES = 48 }; /* "0100007F:1F90", or 32 digits for IPv6 */

/* Writes an address as in /proc/net/tcp6; an IPv4 address as a dual-stack socket has it. */
static void write_v6(const struct sockaddr_storage *a, char out[SIDE_BYTES])
{
    uint32_t words[4] = {0, 0, htonl(0xffff), 0};
    uint16_t port = ((const struct sockaddr_in *)a)->sin_port;
    if (a->ss_family == AF_INET6) {
        memcpy(words, &((const struct sockaddr_in6 *)a)->sin6_addr, sizeof words);
        port = ((const struct sockaddr_in6 *)a)->sin6_port;
    } else {
        words[3] = ((const struct sockaddr_in *)a)->sin_addr.s_addr;
    }
    snprintf(out, SIDE_BYTES, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3], ntohs(port));
}

/* Writes an address as in /proc/net/tcp; "" for an address that is not IPv4. */
static void write_v4(const struct sockaddr_storage *a, char out[SIDE_BYTES])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    if (a->ss_family == AF_INET)
        snprintf(out, SIDE_BYTES, "%08X:%04X", v4->sin_addr.s_addr, ntohs(v4->sin_port));
    else
        snprintf(out, SIDE_BYTES, "%s", "");
}

static bool look_up(const char *path, const char *theirs, const char *ours, uint32_t *out_uid)
{
    char line[512], local[SIDE_BYTES], remote[SIDE_BYTES];
    unsigned uid;
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, " %*u: %47s %47s %*x %*x:%*x %*x:%*x %*x %u", local, remote, &uid) != 3)
            continue;
        found = strcmp(local, theirs) == 0 && strcmp(remote, ours) == 0;
        *out_uid = found ? uid : *out_uid;
    }
    if (f != NULL)
        fclose(f);
    return found;
}

int net_conn_peer_uid(const struct net_conn *c, uint32_t *out_uid)
{
    struct sockaddr_storage theirs = {0}, ours = {0};
    int n = sizeof theirs, m = sizeof ours;
    char a[SIDE_BYTES], b[SIDE_BYTES];
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&theirs, &n) != 0 || uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&ours, &m) != 0)
        return ERR_NOT_FOUND;
    write_v4(&theirs, a);
    write_v4(&ours, b);
    if (a[0] != '\0' && look_up("/proc/net/tcp", a, b, out_uid))
        return 0;
    write_v6(&theirs, a);
    write_v6(&ours, b);
    return look_up("/proc/net/tcp6", a, b, out_uid) ? 0 : ERR_NOT_FOUND;
}
