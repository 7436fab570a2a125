/* Any text as a model reference: parts that can become a path without leaving its folder, or a sentence. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "models/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What becomes part of a path or of an address has nothing in it that leads elsewhere. */
static void must_be_plain(const char *part)
{
    MUST(part[0] != '/');
    MUST(part[0] != '.');
    MUST(strstr(part, "/.") == NULL);
    MUST(strstr(part, "//") == NULL);
    for (const char *p = part; *p != '\0'; p++)
        MUST((unsigned char)*p > ' ' && (unsigned char)*p < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    struct reference r = {0};
    struct fault f = {0};
    int err = reference_parse(text, &r, &f);
    MUST(err == f.err);
    if (err != 0) {
        MUST(f.text[0] != '\0');
    } else if (r.kind == REFERENCE_PATH) {
        MUST(strcmp(r.url, text) == 0);
    } else {
        const char *parts[] = {r.owner, r.repo, r.revision, r.file, r.quant};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            must_be_plain(parts[i]);
        MUST(r.kind == REFERENCE_URL || (r.owner[0] != '\0' && r.repo[0] != '\0' && r.revision[0] != '\0'));
        MUST(r.kind != REFERENCE_URL || (r.file[0] != '\0' && strchr(r.file, '/') == NULL));
        MUST(r.sha256[0] == '\0' || strspn(r.sha256, "0123456789abcdef") == 64);
    }
    free(text);
    return 0;
}
