/* Mirostat beside llama.cpp's own: the same candidates are kept at every step of a long text, whatever was drawn before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <llama.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "engine/llama/mirostat.h"

enum { VOCAB = 3000, STEPS = 300, TEXTS = 12 };

struct text {
    uint32_t version;
    float tau, eta, temperature;
    double steepness; /* of the distributions, after the temperature */
};

/* A row like a language model's: few likely tokens, a long tail, and another order each time. */
static void make_row(float *logits, const struct text *t, uint64_t step)
{
    for (uint64_t i = 0; i < VOCAB; i++)
        logits[i] = (float)(-t->steepness * (double)t->temperature * log(1 + (double)(rng_at(step, i) % VOCAB)) + rng_unit(step + 7777, i));
}

/* Applies llama.cpp's temperature and Mirostat, which draws. Returns how many it kept; *out_token: what it drew. */
static size_t theirs(struct llama_sampler *chain, const float *logits, llama_token_data *data, int32_t *out_token)
{
    for (int32_t i = 0; i < VOCAB; i++)
        data[i] = (llama_token_data){.id = i, .logit = logits[i]};
    llama_token_data_array all = {.data = data, .size = VOCAB, .selected = -1};
    llama_sampler_apply(chain, &all);
    *out_token = all.data[all.selected].id;
    return all.size;
}

/* Returns the logarithm of the token's probability among ours; NAN where it is not one of them. */
static double logprob_of(const struct candidate *kept, int32_t n, double temperature, int32_t token)
{
    double sum = 0, mine = (double)NAN;
    for (int32_t i = 0; i < n; i++)
        sum += exp((double)kept[i].logit / temperature);
    for (int32_t i = 0; i < n; i++)
        if (kept[i].token == token)
            mine = (double)kept[i].logit / temperature - log(sum);
    return mine;
}

/* How many steps kept another number of candidates: theirs computes with floats, so one at the edge may fall on its other side. */
static int differences(const struct text *t, int *widths)
{
    static float logits[VOCAB];
    static llama_token_data data[VOCAB];
    static struct candidate kept[VOCAB];
    struct sampling s = {.mirostat = t->version, .mirostat_tau = t->tau, .mirostat_eta = t->eta, .temperature = t->temperature};
    struct mirostat m = mirostat_of(&s);
    struct llama_sampler *chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
    llama_sampler_chain_add(chain, llama_sampler_init_temp(t->temperature));
    llama_sampler_chain_add(chain, t->version == 1 ? llama_sampler_init_mirostat(VOCAB, 5, t->tau, t->eta, 100)
                                                   : llama_sampler_init_mirostat_v2(5, t->tau, t->eta));
    int differ = 0, last = -1;
    for (uint64_t step = 1; step <= STEPS; step++) {
        make_row(logits, t, step);
        int32_t token, n = mirostat_keep(&m, logits, VOCAB, (double)t->temperature, kept);
        int theirs_n = (int)theirs(chain, logits, data, &token);
        if (t->version == 1 && n == VOCAB && theirs_n != VOCAB) { /* more than an int holds: undefined there, 1 on x86 */
            mirostat_saw(&m, 0);
            continue;
        }
        assert_in_range(n, theirs_n > 1 ? theirs_n - 1 : 1, theirs_n + 1);
        differ += n != theirs_n;
        *widths += n != last;
        last = n;
        double logprob = logprob_of(kept, n, (double)t->temperature, token);
        mirostat_saw(&m, isnan(logprob) ? -m.mu * M_LN2 : logprob); /* theirs drew the one at the edge */
    }
    llama_sampler_free(chain);
    return differ;
}

/* Given texts of several temperatures, surprises to aim at, learning rates and shapes of distribution; when both choose candidates, and
 * both learn what llama.cpp drew; then they keep the same number at each of 300 steps, but for one at the edge now and then. */
static void it_keeps_what_llama_cpp_keeps(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= 2; version++) {
        int widths = 0;
        for (int i = 0; i < TEXTS; i++) {
            struct text t = {version, (float[]){2, 3, 5}[i % 3], (float[]){0.1f, 0.4f}[i % 2], (float[]){0.6f, 1, 1.7f}[i / 4], 1.1 + 0.1 * (i % 5)};
            assert_in_range(differences(&t, &widths), 0, STEPS / 30);
        }
        assert_in_range(widths, TEXTS * STEPS / 4, TEXTS * STEPS); /* a width that stays would show nothing */
    }
}

/* Given rows and states that no model or request makes: not a number, infinite, an absurd aim; when candidates are kept; then at least
 * one is, and never more than there are. */
static void absurd_rows_leave_a_candidate(void **state)
{
    (void)state;
    static float logits[VOCAB];
    static struct candidate kept[VOCAB];
    const float rows[] = {0, NAN, INFINITY, -INFINITY, 1e30f};
    const double aims[] = {0, 5, 1e6, -1e6, (double)NAN, (double)INFINITY, -(double)INFINITY};
    for (uint32_t version = 1; version <= 2; version++)
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
            for (size_t aim = 0; aim < sizeof aims / sizeof *aims; aim++) {
                struct mirostat m = {.version = version, .tau = 5, .eta = 0.1, .mu = aims[aim]};
                for (int i = 0; i < VOCAB; i++)
                    logits[i] = rows[row];
                assert_in_range(mirostat_keep(&m, logits, VOCAB, 1, kept), 1, VOCAB);
                logits[17] = 3;
                assert_in_range(mirostat_keep(&m, logits, VOCAB, 1, kept), 1, VOCAB);
                assert_in_range(mirostat_keep(&m, logits, 1, 1, kept), 1, 1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_keeps_what_llama_cpp_keeps),
        cmocka_unit_test(absurd_rows_leave_a_candidate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
