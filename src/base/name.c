#include "base/name.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/plain.h"
#include "base/sum.h"
#include "base/utf8.h"

enum { MARK_BYTES = 9 }; /* "~1a2b3c4d" */

/* Appends the character at p, or its first byte as %XX. Returns the number of bytes of p used; 0
 * when there is no room. */
static size_t put(const char *p, size_t n, char *out, size_t *at, size_t room)
{
    size_t len = utf8_len(p, n);
    bool fine = len > 0 && plain_is_line(str_n(p, len));
    size_t takes = fine ? len : 3;
    if (*at + takes > room)
        return 0;
    if (fine)
        memcpy(out + *at, p, len);
    else
        snprintf(out + *at, 4, "%%%02X", (unsigned)(unsigned char)p[0]);
    *at += takes;
    return fine ? len : 1;
}

void name_fit(struct str from, char *out, size_t cap)
{
    if (from.n == 0)
        from = str_of("?");
    if (from.n < cap && plain_is_line(from)) {
        memcpy(out, from.p, from.n);
        out[from.n] = '\0';
        return;
    }
    size_t at = 0;
    for (size_t i = 0, n; i < from.n && (n = put(from.p + i, from.n - i, out, &at, cap - 1 - MARK_BYTES)) > 0;)
        i += n;
    snprintf(out + at, cap - at, "~%08x", (unsigned)(sum_of(from) >> 32));
}

void name_of_node(const char *given, char out[static NAME_CAP])
{
    char host[_POSIX_HOST_NAME_MAX + 1] = "host", name[_POSIX_HOST_NAME_MAX + 16];
    if (given[0] != '\0') {
        name_fit(str_of(given), out, NAME_CAP);
        return;
    }
    if (gethostname(host, sizeof host) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "host");
    host[sizeof host - 1] = '\0';
    snprintf(name, sizeof name, "worker-%s", host);
    name_fit(str_of(name), out, NAME_CAP);
}
