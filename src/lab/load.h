/* Load on a head: clients that ask one prompt after the other, and what each of them saw. */
#ifndef MANTA_LAB_LOAD_H
#define MANTA_LAB_LOAD_H

#include "base/buf.h"
#include "base/err.h"
#include "client/follow.h"
#include "net/net.h"

enum { LOAD_STREAMS_MAX = 1024, LOAD_CALLS_MAX = 100000, LOAD_NODES_MAX = 16 };

struct load_result {
    double seconds, tokens_per_s;             /* of the calls that count */
    double ttft_p50_ms, ttft_p95_ms, gap_p95_ms;
    double cached;                            /* share of the prompts' tokens that came from a cache */
    uint32_t calls, nodes;
    struct load_share {
        char node[64];
        double part;                          /* of all answers */
    } shares[LOAD_NODES_MAX];                 /* by node name */
};

/* How prompts are made where nobody brings them: the n-th is the same for one seed, whoever asks it. */
struct load_prompts {
    uint32_t prefixes, prefix_words;          /* they begin with one of so many texts of that length; 0: none */
    uint32_t prompt_least, prompt_most;       /* words of a prompt's own text */
    uint32_t answer_least, answer_most;       /* tokens */
};

struct load_config {
    const char *heads;                        /* "127.0.0.1:8470", or several; borrowed until the end. Clients begin at each in turn */
    const char *key;                          /* API key; NULL or empty: none. Borrowed as well */
    uint64_t seed;
    uint32_t streams, calls, warm;            /* clients at once; prompts that count; prompts before them that do not */
    uint32_t away_ms;                         /* how long heads that are gone are asked again */
    struct load_prompts prompts;
    /* All three or none. The body of a request to /v1/chat/completions; each answer, whatever became of it (borrowed; without
     * this, the first that fails ends the load); whether clients keep asking when all prompts were asked. */
    void (*put_body)(struct buf *out, uint32_t number, void *user_data);
    void (*on_answer)(uint32_t number, const struct answer *a, void *user_data);
    bool (*more)(void *user_data);
    void (*on_progress)(uint32_t done, uint32_t of, void *user_data); /* NULL: nobody wants to know */
    /* Once, last: f->err is 0, or why it was given up; the load is freed after it returns. */
    void (*on_end)(const struct load_result *r, const struct fault *f, void *user_data);
    void *user_data;
};

struct load;
/* Beside whatever else the loop does. NULL with f (ERR_INVALID) for sizes beyond the limits or an address that is none. */
struct load *load_start(struct net_loop *loop, const struct load_config *cfg, struct fault *f);
/* Has each answer that is under way got a piece since then? Those that have not begun do not count. */
bool load_is_settled(const struct load *l, uint64_t since_us);
/* Gives up: on_end comes, now or in a later turn. */
void load_cancel(struct load *l);

#endif
