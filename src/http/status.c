/* The first lines of an answer, and error answers of the server itself. */
#include <time.h>

#include "base/clock.h"
#include "http/conn.h"

const char *http_reason(int status)
{
    static const struct { int status; const char *text; } reasons[] = {
        {100, "Continue"}, {101, "Switching Protocols"},
        {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"},
        {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
        {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
        {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"},
        {410, "Gone"}, {411, "Length Required"},
        {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
        {422, "Unprocessable Content"}, {426, "Upgrade Required"}, {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"}, {499, "Client Closed Request"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
        {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "";
}

/* Formatted once a second, not once a reply. */
static const char *server_date(struct http_server *s)
{
    int64_t now_s = clock_unix_s();
    if (now_s == s->date_s)
        return s->date;
    time_t t = (time_t)now_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    s->date_s = now_s;
    return s->date;
}

void reply_status_line(struct http_server *s, struct buf *out, int status)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_reason(status), server_date(s));
}

void reply_refusal(struct http_server *s, struct buf *out, const struct refusal *no, const struct http_request *r)
{
    struct buf body = buf_max(16 << 10);
    const struct http_request *whole = r != NULL && r->head_whole ? r : NULL;
    if (s->calls.error_body != NULL)
        s->calls.error_body(&body, &no->fault, whole, s->user_data);
    reply_status_line(s, out, no->status);
    if (body.n > 0)
        buf_puts(out, "Content-Type: application/json\r\n");
    if (no->status == 503)
        buf_puts(out, "Retry-After: 1\r\n");
    if (whole != NULL && s->calls.error_lines != NULL)
        s->calls.error_lines(out, whole, s->user_data);
    buf_printf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", body.n);
    if (r == NULL || !r->head_only)
        buf_add_str(out, buf_str(&body));
    buf_fini(&body);
}
