/* Extract an engine's reason for refusing a call, as one sentence. */
#include <ctype.h>
#include <jansson.h>

#include "launch/web.h"

enum { WORDS_BYTES = 300 };

/* Kubernetes: "message". Ray's dashboard: "msg", or plain text. Others: "error", as text or with a "message" in it, or "detail". */
static const char *find_words(const json_t *body)
{
    static const char *const names[] = {"message", "error", "msg", "detail"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *found = json_object_get(body, names[i]);
        if (json_is_object(found))
            found = json_object_get(found, "message");
        if (json_string_length(found) > 0)
            return json_string_value(found);
    }
    return NULL;
}

/* The part that gives the reason: of a Python traceback the last line, of other text the beginning. */
static struct str telling_part(struct str text)
{
    while (text.n > 0 && isspace((unsigned char)text.p[text.n - 1]))
        text.n--;
    if (!str_holds(text, "Traceback (most recent"))
        return text;
    const char *line = memrchr(text.p, '\n', text.n);
    return line == NULL ? text : str_n(line + 1, text.n - (size_t)(line + 1 - text.p));
}

int web_err(int status)
{
    switch (status) {
    case 400:
    case 422: return ERR_INVALID;
    case 401: return ERR_AUTH;
    case 403: return ERR_FORBIDDEN;
    case 404: return ERR_NOT_FOUND;
    case 409: return ERR_IN_USE;
    case 429: return ERR_BUSY;
    default: return status >= 500 ? ERR_UNAVAILABLE : ERR_FAILED;
    }
}

int web_refused(const struct web_answer *a, const char *action, struct fault *f)
{
    if (a->fault.err != 0)
        return fault_set(f, a->fault.err, "cannot %s: %s", action, a->fault.text);
    if (a->status >= 200 && a->status < 300)
        return 0;
    json_t *body = json_loadb(a->body.n > 0 ? a->body.p : "", a->body.n, 0, NULL);
    const char *words = find_words(body);
    struct str text = telling_part(words != NULL ? str_of(words) : a->body);
    if (text.n > WORDS_BYTES)
        text.n = WORDS_BYTES;
    int err = text.n > 0 ? fault_set(f, web_err(a->status), "cannot %s: status %d: %.*s", action, a->status, STR_ARG(text))
                         : fault_set(f, web_err(a->status), "cannot %s: status %d and no words", action, a->status);
    json_decref(body);
    if (f != NULL)
        f->wait_s = a->wait_s;
    return err;
}
