/* Compare a disturbed answer, as a client received it, with its undisturbed twin. Pure. */
#ifndef MANTA_LAB_JUDGE_H
#define MANTA_LAB_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "client/follow.h"

struct judge_bytes {
    uint64_t lost;       /* bytes of the twin that did not come */
    uint64_t duplicated; /* bytes that came twice */
    uint64_t changed;    /* bytes that differ */
    size_t at;           /* offset of the first difference; the common length when there is none */
};

/* Compares two texts. After a difference it realigns them where the next JUDGE_AGREE_BYTES agree
 * (or both rests are equal). Bytes that only the twin has there are lost; bytes that only `got` has
 * are duplicated if they also stand earlier in `got`, else changed; bytes that differ in both are
 * changed. If the texts never agree again, the whole rest is changed. Text that ends early is
 * lost. */
enum { JUDGE_AGREE_BYTES = 24 };
struct judge_bytes judge_text(struct str twin, struct str got);

struct judgement {
    struct judge_bytes bytes;
    bool lost;      /* without a proper end, or with bytes missing */
    /* not in the form that clients read, or the number of tokens streamed is not the number counted */
    bool malformed;
    bool error;     /* the client received an error */
    bool changed;   /* whole, but different from its twin: text, tokens, log-probabilities, counts or finish reason */
    const char *why; /* for people; valid as long as both answers are */
};

/* Judges an answer against its twin. Both must have been requested with log-probabilities, so that
 * each token is reported exactly once; with `stops` (stop strings) perhaps also the token that
 * ended the answer, and none of the tokens of a stop string that was met. With `exact`, every
 * difference is a fault. Without it, a whole answer may have diverged after a failover, and its
 * differences count as changed; but if bytes are only missing or doubled, with equal token counts
 * and finish reasons, they stay lost or duplicated. */
struct judgement judge_answer(const struct answer *twin, const struct answer *got, bool stops, bool exact);

#endif
