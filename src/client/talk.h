/* One exchange of a chat: send the request, show the answer as it arrives, then a summary. Private
 * to the room. */
#ifndef MANTA_CLIENT_TALK_H
#define MANTA_CLIENT_TALK_H

#include <jansson.h>

#include "base/buf.h"
#include "client/client.h"

struct talk_answer {
    struct buf text;             /* owned by the caller; the answer without its reasoning */
    uint32_t tokens;
    bool cut;                    /* the answer ended at a limit */
};

/* Sends the body to /v1/chat/completions. `quiet`: show only the answer. Errors are not shown;
 * ERR_CONTEXT: the prompt is too long; ERR_CANCELLED after Ctrl-C, and `out` has the partial
 * answer. `max_tokens`: the body's; 0: none. */
int talk(const struct client_options *o, const char *body, bool quiet, uint32_t max_tokens, struct talk_answer *out, struct fault *f);

#endif
