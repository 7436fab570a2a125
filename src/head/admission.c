/* Checks that need only the header of a request. */
#include "head/admission.h"

#include <strings.h>

struct web_request admission_web(const struct http_request *r)
{
    return (struct web_request){.method = http_method(r), .authority = http_authority(r), .host = http_header(r, "host"),
                                .origin = http_header(r, "origin"), .site = http_header(r, "sec-fetch-site"),
                                .mode = http_header(r, "sec-fetch-mode"), .dest = http_header(r, "sec-fetch-dest")};
}

void route_error_lines(const struct head_program *p, const struct http_request *r, struct buf *out)
{
    struct fault f;
    struct web_request web = admission_web(r);
    if (web_check_host(&p->web, &web, &f) == 0 && web_check_page(&p->web, &web, &f) == 0)
        web_lines(&p->web, &web, out);
}

int admission_check_key(const struct head_program *p, const struct http_request *r, const char *path, bool open, bool admin, struct fault *f)
{
    const struct api_key *key = p->keys.n > 0 && !open ? owner_key(p, r) : NULL;
    if (p->keys.n == 0 || open)
        return 0;
    if (key == NULL)
        return fault_set(f, ERR_AUTH, "missing or wrong API key: send 'Authorization: Bearer <key>' with the head's --api-key");
    if (!admin || key->admin)
        return 0;
    return fault_set(f, ERR_FORBIDDEN,
                     "%s changes the cluster, which this key may not: bring a key of the admin scope, a line 'NAME[admin]: KEY' of the "
                     "head's --api-key-file",
                     path);
}

int admission_check_encoding(const struct http_request *r, struct fault *f)
{
    struct str coding = http_header(r, "content-encoding");
    if (coding.n == 0 || (coding.n == 8 && strncasecmp(coding.p, "identity", 8) == 0))
        return 0;
    return fault_set(f, ERR_ENCODING, "a body with 'content-encoding: %.*s' is not taken: send it as it is", (int)(coding.n < 64 ? coding.n : 64),
                     coding.p);
}
