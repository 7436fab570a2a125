/* Compare what a client got of a disturbed answer with its undisturbed twin. Pure. */
#ifndef MANTA_LAB_JUDGE_H
#define MANTA_LAB_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "client/follow.h"

struct judge_bytes {
    uint64_t lost;       /* of the twin, that did not come */
    uint64_t duplicated; /* that came once more */
    uint64_t changed;    /* that are others */
    size_t at;           /* where the first difference is; the common length when there is none */
};

/* Text against text. Behind a difference both are laid side by side again where the next JUDGE_AGREE_BYTES agree (or all up
 * to the ends): what only the twin has there is lost; what only `got` has is duplicated when it stands further ahead in `got`,
 * too, else changed; what both have is changed. Where they never agree again, all the rest is changed; text that just ends
 * early is lost. */
enum { JUDGE_AGREE_BYTES = 24 };
struct judge_bytes judge_text(struct str twin, struct str got);

struct judgement {
    struct judge_bytes bytes;
    bool lost;      /* it has no proper end, or bytes of it are missing */
    bool malformed; /* not in the form that clients read, or other tokens were told than were counted */
    bool error;     /* the client was told an error */
    bool changed;   /* whole, but not what its twin is: text, tokens, log-probabilities, counts or the reason of its end */
    const char *why; /* for people; lives as long as both answers */
};

/* Both were asked for with log-probabilities, so each token is told exactly once; with `stops` (stop strings) perhaps also the
 * token at which the answer ended, and none of the tokens of a stop string that was met. `exact`: what differs must be a fault.
 * Otherwise a whole answer whose tokens were told once each may have gone another way, and its differences are changes; but where
 * nothing else differs than that pieces are missing or came twice, of as many tokens with the same end, that is no other way. */
struct judgement judge_answer(const struct answer *twin, const struct answer *got, bool stops, bool exact);

#endif
