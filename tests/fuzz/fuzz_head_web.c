/* Any headers as what a browser says of its page and of whom it asks: a verdict, with a sentence where it is no; what a page is
 * allowed never has two lines in one; any text as a name: printable, of whole characters, and the same each time. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "base/name.h"
#include "base/plain.h"
#include "head/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line of what is left. */
static struct str cut(struct str *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct str line = str_n(rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n);
    size_t used = line.n + (end != NULL ? 1 : 0);
    *rest = used > 0 ? str_n(rest->p + used, rest->n - used) : *rest;
    return line;
}

static void must_be_one_form(struct str text)
{
    struct buf plain = buf_max(1 << 20), again = buf_max(1 << 20);
    char name[NAME_CAP], same[NAME_CAP];
    plain_add(&plain, text, PLAIN_LINE);
    MUST(plain_is_line(buf_str(&plain)));
    plain_add(&again, buf_str(&plain), PLAIN_LINE);
    MUST(str_eq(buf_str(&plain), buf_str(&again)));
    name_fit(text, name, sizeof name);
    MUST(plain_is_line(str_of(name)));
    name_fit(str_of(name), same, sizeof same);
    MUST(strcmp(name, same) == 0);
    buf_fini(&plain);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n((const char *)data, size), item = cut(&rest);
    char word[512] = "https://chat.example";
    if (item.n > 0 && item.n < sizeof word && memchr(item.p, '\0', item.n) == NULL) {
        memcpy(word, item.p, item.n);
        word[item.n] = '\0';
    }
    const char *const words[] = {word};
    struct web_config cfg = {.origins = words, .origins_n = 1, .own_host = "box.example", .listen_host = "127.0.0.1"};
    struct web w;
    struct fault f = {0};
    int err = web_init(&w, &cfg, &f);
    MUST(err == f.err && (err == 0) == (f.text[0] == '\0'));
    struct web_request r = {.method = str_of("POST"), .host = cut(&rest), .origin = cut(&rest), .authority = cut(&rest), .site = cut(&rest)};
    struct str asked = cut(&rest);
    f = (struct fault){0};
    bool known = web_check_host(&w, &r, &f) == 0, welcome = web_check_page(&w, &r, &f) == 0;
    MUST((known && welcome) == (f.text[0] == '\0'));
    if (welcome && memchr(r.origin.p != NULL ? r.origin.p : "", '\r', r.origin.n) == NULL) {
        struct buf out = buf_max(64 << 10);
        web_lines(&w, &r, &out);
        web_preflight_lines(asked, true, &out);
        for (size_t i = 0; i < out.n; i++)
            MUST(out.p[i] != '\n' || (i > 0 && out.p[i - 1] == '\r'));
        buf_fini(&out);
    }
    must_be_one_form(r.origin);
    must_be_one_form(rest);
    web_fini(&w);
    return 0;
}
