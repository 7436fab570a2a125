/* Provide a scripted, seeded engine without a model, for testing everything above the engine.
 *
 * Answers depend only on the tokens that the sequence holds, the request's seed and the position in
 * the answer. The same request therefore has the same answer on every echo engine with the same
 * options, a resumed answer continues where it stopped, and a wrongly reused prefix shows in the
 * text. Rows at wrong positions, copies of absent cells and draws from rows without logits violate
 * a MUST and abort.
 *
 * The "model file" is a list of options, all with defaults: "echo",
 * "echo:tokens=200,decode_us=500,seed=7". A script takes the rest of the line:
 * "echo:tokens=8,script=Yes, and no.". Sizes may end in k, m or g (powers of 1024).
 *
 *     name=WORD      the model's name in requests (default "echo"), so that a worker can have several
 *     tokens=N       tokens per answer (default 32; with a script: its length)
 *     script=TEXT    every answer is TEXT. <think>…</think> in it is reasoning, and
 *                    <tool_call>{"name":"f","arguments":{…}}</tool_call>, without white space, is a call, if the
 *                    request wants reasoning separated or has tools. "<next>" separates the answers to the first,
 *                    second, … question of a conversation; the last answer is repeated
 *     seed=N         changes all answers, as another model would
 *     context=N      the model's own context (2048)
 *     rows=N         maximum rows of one decode call (512)
 *     chunk=N        preferred rows of a prompt chunk (0: any number)
 *     embed=N        makes vectors of N numbers instead of answers
 *     load_ms=N      loading takes this long
 *     slow=WORD      a prompt that contains WORD takes slow_ms=MS (default an hour) to tokenize, unless it is stopped
 *     prefill_us=N   time per prompt row
 *     decode_us=N    time per decode call in which streams take part, and per call that makes vectors
 *     stream_us=N    additional time for each of these streams
 *     copy_us=N      time per sequence copied, saved or loaded
 *     weights=SIZE   bytes of weights (1m), kv=SIZE bytes per token of context (1k), compute=SIZE (1m)
 *     fail_load=1    loading fails (ERR_MODEL)
 *     crash_load=1   loading aborts the process; =2: with the message of a ggml assertion
 *     hang_load=MS   loading stalls for this long, half way
 *     eat_load=SIZE  loading allocates and touches this much memory, in steps
 *     fail_decode_at=N  the N-th decode call fails (ERR_FAILED), later ones work again
 *     freeze_at=N    the N-th token drawn takes freeze_ms=MS (default an hour)
 *     crash_at=N     the N-th token drawn aborts the process
 *     poison=WORD    a sequence that holds WORD and poison_after=N more tokens (default 0: in the prompt) aborts the process
 *     eat=WORD       a sequence that holds WORD allocates and touches eat_bytes=SIZE of memory (default 64g) */
#ifndef MANTA_ENGINE_ECHO_H
#define MANTA_ENGINE_ECHO_H

#include "engine/engine.h"

struct echo_options {
    uint32_t tokens;
    struct str name;   /* borrowed from the path; never empty */
    struct str script; /* same; p is NULL without one */
    struct str poison; /* same; empty: none */
    struct str eat;    /* same */
    struct str slow;   /* same */
    uint64_t seed;
    uint32_t context, rows, chunk, embed;
    uint32_t load_ms, slow_ms, prefill_us, decode_us, stream_us, copy_us;
    uint64_t weights, kv, compute, eat_load, eat_bytes;
    uint32_t crash_load, hang_load;
    uint32_t fail_load, fail_decode_at, freeze_at, freeze_ms, crash_at, poison_after;
};

/* Returns ERR_MODEL for a path of another engine, an unknown option (f names the nearest) or a bad
 * value; *out is then unchanged. */
int echo_options_parse(const char *path, struct echo_options *out, struct fault *f);
/* Returns the digest of the "model file". Two paths with equal answers have equal digests (tokens,
 * script, seed, embed, context), however fast or faulty the engine is. */
uint64_t echo_digest(const char *path);

/* Called instead of sleeping: tests with a simulated clock advance it. */
typedef void echo_sleep_fn(uint64_t us, void *user_data);
/* Makes the engine call sleep_us for its pauses from now on. */
void echo_sleep_with(struct engine *e, echo_sleep_fn *sleep_us, void *user_data);

/* The vocabulary: 256 bytes, some words and partial characters, and two control tokens. */
enum { ECHO_END = 0, ECHO_BEGIN = 1, ECHO_BYTES = 2, ECHO_WORDS = ECHO_BYTES + 256 };
/* Returns the size of the vocabulary. */
uint32_t echo_vocab(void);
/* Returns the length of the longest token, in bytes. */
uint32_t echo_token_bytes_max(void);
/* Returns the number of tokens of a text; writes the first cap of them. `special`: parse control
 * tokens. */
int32_t echo_tokenize(struct str text, bool special, int32_t *out, int32_t cap);
/* Returns the number of tokens that prompt_make() makes of r's token ids and the texts among them. */
int32_t echo_count_mixed(const struct request *r);
/* Writes the text of a token, as engine_ops.piece. */
int32_t echo_piece(int32_t token, char *out, int32_t cap);
/* Returns the k-th choice for the token after `last`, given the hash `state` of the text so far.
 * The first half of a character is always followed by its second half; `whole`: do not begin
 * one. */
int32_t echo_word(int32_t last, uint64_t state, uint32_t k, bool whole);

#endif
