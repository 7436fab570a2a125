/* A scripted, seeded engine without a model: what everything above the engine is tested with.
 *
 * Its answers depend on the tokens that the sequence holds, the request's seed and the place in the answer, and on
 * nothing else. So the same request has the same answer on every echo engine with the same options, a resumed answer
 * continues where it stopped, and a prefix that was reused wrongly shows in the text. Rows at wrong positions, copies of
 * cells that are not there and draws from rows without logits are MUSTs.
 *
 * The "model file" is the list of options, all with defaults: "echo", "echo:tokens=200,decode_us=500,seed=7". A script
 * takes the rest of the line: "echo:tokens=8,script=Yes, and no.". Sizes may end in k, m or g (powers of 1024).
 *
 *   name=WORD      the model's name for requests (default "echo"), so that a worker can have several
 *   tokens=N       answers have N tokens (default 32); with a script: as many as it has
 *   script=TEXT    every answer is TEXT. <think>…</think> in it is reasoning, and <tool_call>{"name":"f","arguments":{…}}</tool_call>, without
 *                  white space, a call, where requests want reasoning apart, or have tools.
 *                  "<next>" stands between the answers to a conversation's first, second, … question; the last one comes again and again
 *   seed=N         the answers of another "model"
 *   context=N      the model's own context (2048)
 *   rows=N         rows of one decode call at most (512)
 *   chunk=N        rows that a prompt's chunks should have (0: any number)
 *   embed=N        a model that makes vectors of N numbers instead of answers
 *   load_ms=N      loading takes so long
 *   slow=WORD      a prompt that holds WORD takes slow_ms=MS (default an hour) to tokenize, unless it is stopped
 *   prefill_us=N   time per row of a prompt
 *   decode_us=N    time per decode call in which streams take part, and per call that makes vectors
 *   stream_us=N    … and for each of these streams
 *   copy_us=N      time per sequence copied, saved or loaded
 *   weights=SIZE   bytes of weights (1m), kv=SIZE bytes per token of context (1k), compute=SIZE (1m)
 *   fail_load=1    loading fails (ERR_MODEL)
 *   crash_load=1   loading aborts the process; =2: with the words of an assertion of ggml's
 *   hang_load=MS   loading stands still for so long, half way
 *   eat_load=SIZE  loading takes and touches so much memory, in steps
 *   fail_decode_at=N  the N-th decode call fails (ERR_FAILED), later ones work again
 *   freeze_at=N    the N-th token drawn takes freeze_ms=MS (default an hour)
 *   crash_at=N     the N-th token drawn aborts the process
 *   poison=WORD    a sequence that holds WORD and poison_after=N more tokens (default 0: in the prompt) aborts the process
 *   eat=WORD       a sequence that holds WORD takes and touches eat_bytes=SIZE of memory (default 64g), in steps */
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

/* ERR_MODEL: not an echo path, an unknown option (f names the nearest) or a bad value; *out is untouched then. */
int echo_options_parse(const char *path, struct echo_options *out, struct fault *f);
/* What stands for the digest of a model file: equal where all answers are (tokens, script, seed, embed, context), however
 * fast or faulty the engine is. */
uint64_t echo_digest(const char *path);

/* How an engine lets time pass, instead of sleeping: tests with a told clock move it forward. */
typedef void echo_sleep_fn(uint64_t us, void *user_data);
/* Its pauses are made by that function from now on: told time for tests. */
void echo_sleep_with(struct engine *e, echo_sleep_fn *sleep_us, void *user_data);

/* The vocabulary: 256 bytes, some words and pieces of characters, and two control tokens. */
enum { ECHO_END = 0, ECHO_BEGIN = 1, ECHO_BYTES = 2, ECHO_WORDS = ECHO_BYTES + 256 };
/* How many tokens it knows. */
uint32_t echo_vocab(void);
/* The longest of them, in bytes. */
uint32_t echo_token_bytes_max(void);
/* How many tokens a text has, of which the first cap are written; as engine_ops.piece. */
int32_t echo_tokenize(struct str text, bool special, int32_t *out, int32_t cap);
/* The text of a token, as engine_ops.piece. */
int32_t echo_piece(int32_t token, char *out, int32_t cap);
/* The k-th choice for the token after `last`, in a story that has come to `state`. Half a character is always followed
 * by its other half; `whole`: do not begin one. */
int32_t echo_word(int32_t last, uint64_t state, uint32_t k, bool whole);

#endif
