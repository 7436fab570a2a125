/* Drop Claude Code's billing line, which begins its system prompt and changes with each request:
 *
 *     x-anthropic-billing-header: cc_version=2.1.101.e51; cc_entrypoint=cli; cch=a5145;You are Claude Code, ...
 *
 * The line tells the model nothing, and a prefix cache finds no prompt behind a changing
 * beginning. */
#include <ctype.h>
#include <string.h>

#include "api/api.h"

static const char MARK[] = "x-anthropic-billing-header:";
enum { PAIR_BYTES_MAX = 128, PAIRS_MAX = 16 };

/* Returns the bytes of " name=value;" at the beginning of s; 0: there is none. */
static size_t pair_of(struct str s)
{
    size_t at = 0, name;
    while (at < s.n && s.p[at] == ' ')
        at++;
    name = at;
    while (at < s.n && at < PAIR_BYTES_MAX && (isalnum((unsigned char)s.p[at]) || s.p[at] == '_' || s.p[at] == '-'))
        at++;
    if (at == name || at == s.n || s.p[at] != '=')
        return 0;
    while (at < s.n && at < PAIR_BYTES_MAX && s.p[at] != ';' && s.p[at] != '\n')
        at++;
    return at < s.n && s.p[at] == ';' ? at + 1 : 0;
}

static struct str without_billing(struct str s)
{
    size_t at = sizeof MARK - 1, pair = 1;
    if (s.n < at || memcmp(s.p, MARK, at) != 0)
        return s;
    for (int i = 0; i < PAIRS_MAX && pair > 0; i++)
        at += pair = pair_of(str_n(s.p + at, s.n - at));
    at += at < s.n && s.p[at] == '\n';
    return str_n(s.p + at, s.n - at);
}

void api_drop_billing(struct api_call *c)
{
    struct request *r = &c->request;
    if (r->turns_n > 0 && str_is(r->turns[0].role, "system"))
        r->turns[0].content = without_billing(r->turns[0].content);
}
