#include "http/text.h"

#include <strings.h>

#include "http/http.h"

struct str str_trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool str_is_nocase(struct str s, const char *cstr)
{
    return s.n == strlen(cstr) && (s.n == 0 || strncasecmp(s.p, cstr, s.n) == 0);
}

struct str str_cut(struct str *rest, char sep)
{
    const char *at = rest->n > 0 ? memchr(rest->p, sep, rest->n) : NULL;
    struct str part = *rest;
    if (at != NULL)
        part.n = (size_t)(at - rest->p);
    size_t step = at != NULL ? part.n + 1 : part.n;
    *rest = str_n(step > 0 ? rest->p + step : rest->p, rest->n - step);
    return part;
}

bool str_lists(struct str list, const char *token)
{
    while (list.n > 0) {
        if (str_is_nocase(str_trim(str_cut(&list, ',')), token))
            return true;
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int http_decode(struct buf *out, struct str s, bool in_query)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '+' && in_query)
            c = ' ';
        if (c == '%') {
            int high = s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
            int low = s.n - i > 2 ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ERR_INVALID;
            c = (char)(high * 16 + low);
            i += 2;
        }
        int err = buf_putc(out, c);
        if (err != 0)
            return err;
    }
    return 0;
}
