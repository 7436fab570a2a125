/* Choose the response that counts among several responses to one prompt. */
#include <math.h>

#include "api/answer.h"

/* The likelihood that the model gave its own text; an empty response loses to every other. */
static double mean_logprob(const struct api_response *r)
{
    return r->usage.completion_tokens > 0 ? r->logprob_sum / r->usage.completion_tokens : -INFINITY;
}

static struct str trimmed(struct str s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL)
        s.n--;
    while (s.n > 0 && strchr(" \t\r\n", *s.p) != NULL)
        s = str_n(s.p + 1, s.n - 1);
    return s;
}

static size_t votes(const struct api_response *responses, size_t n, size_t of)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += api_response_ok(&responses[i]) && str_eq(trimmed(responses[i].text), trimmed(responses[of].text));
    return count;
}

/* True if a beats b; on equal terms the earlier one wins. */
static bool better(enum api_final rule, const struct api_response *responses, size_t n, size_t a, size_t b)
{
    if (rule == API_FINAL_VOTE) {
        size_t for_a = votes(responses, n, a), for_b = votes(responses, n, b);
        if (for_a != for_b)
            return for_a > for_b;
    }
    if (rule != API_FINAL_FIRST) {
        double mean_a = mean_logprob(&responses[a]), mean_b = mean_logprob(&responses[b]);
        if (mean_a > mean_b || mean_a < mean_b)
            return mean_a > mean_b;
    }
    return responses[a].time_s < responses[b].time_s;
}

size_t api_final_pick(enum api_final rule, const struct api_response *responses, size_t n)
{
    size_t pick = n;
    for (size_t i = 0; i < n; i++)
        if (api_response_ok(&responses[i]) && (pick == n || better(rule, responses, n, i, pick)))
            pick = i;
    return pick;
}
