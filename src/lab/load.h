/* Put load on a head: clients that send one prompt after the other, and the times each of them
 * measured. */
#ifndef MANTA_LAB_LOAD_H
#define MANTA_LAB_LOAD_H

#include "base/buf.h"
#include "base/err.h"
#include "client/follow.h"
#include "net/net.h"

enum { LOAD_STREAMS_MAX = 1024, LOAD_CALLS_MAX = 100000, LOAD_NODES_MAX = 16 };

struct load_result {
    double seconds, tokens_per_s;             /* of the counted calls */
    double ttft_p50_ms, ttft_p95_ms, gap_p95_ms;
    double cached;                            /* share of the prompts' tokens that came from a cache */
    uint32_t calls, nodes;
    struct load_share {
        char node[64];
        double part;                          /* share of all answers */
    } shares[LOAD_NODES_MAX];                 /* sorted by node name */
};

/* How prompts are generated when put_body is NULL. Prompt n depends on the seed only, not on the
 * client that sends it. */
struct load_prompts {
    /* each prompt begins with one of this many texts, of this many words; 0: none */
    uint32_t prefixes, prefix_words;
    uint32_t prompt_least, prompt_most;       /* words of the part that is a prompt's own */
    uint32_t answer_least, answer_most;       /* tokens */
};

struct load_config {
    /* "127.0.0.1:8470", or several; borrowed until the end. Clients begin at each in turn */
    const char *heads;
    const char *key;                          /* API key; NULL or empty: none. Borrowed as well */
    uint64_t seed;
    /* concurrent clients; counted prompts; warm-up prompts before them, not counted */
    uint32_t streams, calls, warm;
    uint32_t away_ms;                         /* how long a client keeps asking when no head answers */
    struct load_prompts prompts;
    /* All three or none. put_body writes the body of a request to /v1/chat/completions. on_answer
     * gets each answer, failed or not (borrowed for the call); without it the first failure ends
     * the load. more says whether clients keep asking after the last prompt. */
    void (*put_body)(struct buf *out, uint32_t number, void *user_data);
    void (*on_answer)(uint32_t number, const struct answer *a, void *user_data);
    bool (*more)(void *user_data);
    void (*on_progress)(uint32_t done, uint32_t of, void *user_data); /* may be NULL */
    /* Once, last, of a load without a fault. True: it has started another load of the same run.
     * May be NULL. */
    bool (*on_end)(void *user_data);
    void *user_data;
};

/* The load of a measurement, and its outcome. */
struct load_run {
    struct net_loop *loop;                    /* borrowed; stops when the last load has ended */
    struct load *load;                        /* owned; NULL: none runs */
    struct load_result result;                /* of the last one that ended */
    struct fault fault;                       /* the first one, also of the caller's; err 0: none */
};

/* Sorts the values, and returns the one below which that part of them is; 0 when there are none. */
double lab_percentile(float *values, uint32_t n, double part);
/* Prints the numbers of a result as members of a JSON object: "calls" to "cached_share". */
void load_put_json(const struct load_result *r);
/* Starts the clients on the loop. For sizes beyond the limits or a bad address the run's fault is
 * ERR_INVALID, and its loop stops. */
void load_start(struct load_run *run, const struct load_config *cfg);
/* True when each answer under way has received a piece since `since_us`. Answers that have not
 * begun do not count. */
bool load_is_settled(const struct load_run *run, uint64_t since_us);
/* Gives up a load that runs; its end comes, within this call or later. */
void load_cancel(struct load_run *run);

#endif
