#include "head/console.h"

#include <stdio.h>
#include <string.h>

#include "base/sum.h"

/* clang-format off
   name in the program, path, file in head/console/, type */
#define CONSOLE_FILES(F) \
    F(index, "/", "index.html", "text/html; charset=utf-8") \
    F(style, "/console/style.css", "style.css", "text/css; charset=utf-8") \
    F(icon, "/console/icon.svg", "icon.svg", "image/svg+xml") \
    F(main, "/console/main.js", "main.js", "text/javascript; charset=utf-8") \
    F(dom, "/console/dom.js", "dom.js", "text/javascript; charset=utf-8") \
    F(api, "/console/api.js", "api.js", "text/javascript; charset=utf-8") \
    F(feed, "/console/feed.js", "feed.js", "text/javascript; charset=utf-8") \
    F(overview, "/console/overview.js", "overview.js", "text/javascript; charset=utf-8") \
    F(worker, "/console/worker.js", "worker.js", "text/javascript; charset=utf-8") \
    F(chart, "/console/chart.js", "chart.js", "text/javascript; charset=utf-8") \
    F(chat, "/console/chat.js", "chat.js", "text/javascript; charset=utf-8") \
    F(keep, "/console/keep.js", "keep.js", "text/javascript; charset=utf-8") \
    F(answer, "/console/answer.js", "answer.js", "text/javascript; charset=utf-8") \
    F(prose, "/console/prose.js", "prose.js", "text/javascript; charset=utf-8") \
    F(requests, "/console/requests.js", "requests.js", "text/javascript; charset=utf-8") \
    F(models, "/console/models.js", "models.js", "text/javascript; charset=utf-8")
/* clang-format on */

/* The assembler reads both forms of each file; CMakeLists.txt declares the dependency. */
#define F(name, path, file, type) \
    __asm__(".section .rodata\n" \
            "console_" #name ":\n.incbin \"" MANTA_CONSOLE_DIR "/" file "\"\nconsole_" #name "_end:\n" \
            "console_" #name "_gz:\n.incbin \"" MANTA_CONSOLE_GZ_DIR "/" file ".gz\"\nconsole_" #name "_gz_end:\n" \
            ".previous\n"); \
    extern const char console_##name[] __attribute__((visibility("hidden"))), console_##name##_end[] __attribute__((visibility("hidden"))), \
        console_##name##_gz[] __attribute__((visibility("hidden"))), console_##name##_gz_end[] __attribute__((visibility("hidden")));
CONSOLE_FILES(F)
#undef F

struct file {
    const char *path, *type;
    const char *plain, *plain_end, *packed, *packed_end;
};

static const struct file files[] = {
#define F(name, path, file, type) {path, type, console_##name, console_##name##_end, console_##name##_gz, console_##name##_gz_end},
    CONSOLE_FILES(F)
#undef F
};

/* No inline code, no foreign sources, no framing. `no-cache` lets browsers keep a file and
 * revalidate it, so that an old head's page does not show a head of another version. */
static const char always[] =
    "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n"
    "x-content-type-options: nosniff\r\nx-frame-options: DENY\r\nreferrer-policy: no-referrer\r\ncross-origin-opener-policy: same-origin\r\n"
    "cross-origin-resource-policy: same-origin\r\npermissions-policy: camera=(), microphone=(), geolocation=()\r\n"
    "cache-control: no-cache\r\nvary: Accept, Accept-Encoding\r\n";

bool console_is_wanted(const struct http_request *r)
{
    return str_holds(http_header(r, "accept"), "text/html");
}

/* A client that accepts gzip with a lower weight ("gzip;q=0.5") gets the plain file. */
static bool takes_gzip(const struct http_request *r)
{
    struct str s = http_header(r, "accept-encoding");
    return str_holds(s, "gzip") && !str_holds(s, "gzip;q=0");
}

static void reply_file(struct http_request *r, const struct file *f)
{
    bool packed = takes_gzip(r);
    struct str body = packed ? str_n(f->packed, (size_t)(f->packed_end - f->packed)) : str_n(f->plain, (size_t)(f->plain_end - f->plain));
    char etag[32], extra[1024];
    snprintf(etag, sizeof etag, "\"%016llx\"", (unsigned long long)sum_of(body));
    snprintf(extra, sizeof extra, "%setag: %s\r\n%s", always, etag, packed ? "content-encoding: gzip\r\n" : "");
    if (str_holds(http_header(r, "if-none-match"), etag))
        http_reply(r, 304, NULL, extra, str_n(NULL, 0));
    else
        http_reply(r, 200, f->type, extra, body);
}

bool console_reply(struct http_request *r)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (str_is(http_path(r), files[i].path)) {
            reply_file(r, &files[i]);
            return true;
        }
    }
    return false;
}
