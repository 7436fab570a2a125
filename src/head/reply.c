/* Send responses of one text: pages, and errors in the dialect of the request. */
#include <stdio.h>
#include <string.h>

#include "api/dialect.h"
#include "head/state.h"

void reply_json(struct head_program *p, struct http_request *r, int status, const char *extra)
{
    if (p->json.overflowed) {
        struct fault f;
        fault_set(&f, ERR_TOO_LARGE, "the answer is larger than %d bytes", REPLY_JSON_BYTES_MAX);
        buf_reset(&p->json);
        api_write_fault(&p->json, &f);
        status = 500;
    }
    http_reply(r, status, "application/json; charset=utf-8", extra, buf_str(&p->json));
    if (p->json.cap > (1 << 20))
        buf_fini(&p->json); /* one huge answer must not stay in memory */
}

void reply_text(struct head_program *p, struct http_request *r, const char *content_type, const char *extra)
{
    if (p->json.overflowed)
        reply_json(p, r, 200, NULL);
    else
        http_reply(r, 200, content_type, extra, buf_str(&p->json));
}

/* Returns the dialect for errors and lists, by path and headers of the request. */
const struct api_dialect *reply_dialect(const struct http_request *r)
{
    bool lists = str_begins(http_path(r), "/v1/models") && http_header(r, "anthropic-version").n > 0;
    if (str_begins(http_path(r), "/api/"))
        return api_dialect(API_OLLAMA_CHAT);
    return api_dialect(lists || str_begins(http_path(r), "/v1/messages") ? API_MESSAGES : API_CHAT);
}

/* `lines`: additional header lines. */
void reply_error(struct head_program *p, struct http_request *r, const struct api_error *e, const char *lines)
{
    const struct api_dialect *d = reply_dialect(r);
    char name[API_NAME_BYTES] = "", extra[128];
    int n = 0;
    if (d->id_header != NULL) {
        (void)api_name("req_", rng_next(&p->seeds), name);
        n = snprintf(extra, sizeof extra, "%s: %s\r\n", d->id_header, name);
    }
    snprintf(extra + n, sizeof extra - (size_t)n, "%s", lines);
    buf_reset(&p->json);
    d->error(&p->json, e, str_of(name));
    reply_json(p, r, err_http(e->fault.err), extra);
}

void reply_fault(struct head_program *p, struct http_request *r, const struct fault *f)
{
    reply_error(p, r, &(struct api_error){.fault = *f}, "");
}

void reply_api_error(struct head_program *p, struct http_request *r, const struct api_error *e)
{
    reply_error(p, r, e, "");
}
