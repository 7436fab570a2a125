/* One exchange: the request goes out, the answer is shown as it comes, and behind it what it took. Private to the room. */
#ifndef MANTA_CLIENT_TALK_H
#define MANTA_CLIENT_TALK_H

#include <jansson.h>

#include "base/buf.h"
#include "client/client.h"

struct talk_answer {
    struct buf text;             /* owned by the caller; what the model said, without its reasoning */
    uint32_t prompt_tokens, tokens;
    bool cut;                    /* it ended because it might not be longer */
};

/* Sends that body to /v1/chat/completions. `quiet`: the answer, and nothing else. Errors are not shown; ERR_CONTEXT: it is too long; ERR_CANCELLED after
 * Ctrl-C: out has what came. `max_tokens`: that the body asks for; 0: no bound. */
int talk(const struct client_options *o, const char *body, bool quiet, uint32_t max_tokens, struct talk_answer *out, struct fault *f);

#endif
