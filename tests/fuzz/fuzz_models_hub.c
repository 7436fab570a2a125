/* Any bytes as a hub's answer: the lines of its head up to the first empty one, then its list of files. A file name that can
 * become a path without leaving its folder, and a digest that is one; or a sentence. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "models/hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text that goes into messages: terminated within its field, printable. */
static void must_be_line(const char *text, size_t cap)
{
    MUST(memchr(text, '\0', cap) != NULL);
    for (; *text != '\0'; text++)
        MUST((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f);
}

/* Each line in memory of its own, so that ASan sees a read behind it. */
static struct str read_head(struct transfer_head *h, struct str rest)
{
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end != NULL ? (size_t)(end - rest.p) + 1 : rest.n;
        char *line = malloc(n);
        MUST(line != NULL);
        memcpy(line, rest.p, n);
        transfer_header(h, str_n(line, n), true);
        free(line);
        rest = str_n(rest.p + n, rest.n - n);
        if (n <= 2)
            break;
    }
    return rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transfer_head h = {0};
    struct reference r = {.kind = REFERENCE_HUB};
    struct fault f = {0};
    struct str list = read_head(&h, str_n((const char *)data, size));
    must_be_line(h.type, sizeof h.type);
    must_be_line(h.etag, sizeof h.etag);
    must_be_line(h.message, sizeof h.message);
    MUST(h.linked_sha256[0] == '\0' || (strlen(h.linked_sha256) == 64 && strspn(h.linked_sha256, "0123456789abcdef") == 64));
    MUST(h.retry_after_s < 86400);
    strcpy(r.owner, "owner");
    strcpy(r.repo, "repo");
    strcpy(r.revision, "main");
    int err = hub_read(&r, list, "https://hub.example/api", &f);
    MUST(err == f.err);
    if (err != 0) {
        MUST(f.text[0] != '\0');
    } else {
        MUST(r.file[0] != '\0' && r.file[0] != '/' && r.file[0] != '.' && strstr(r.file, "/.") == NULL && strstr(r.file, "//") == NULL);
        MUST(r.sha256[0] == '\0' || (strlen(r.sha256) == 64 && strspn(r.sha256, "0123456789abcdef") == 64));
    }
    return 0;
}
