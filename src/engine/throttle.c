/* A slower engine than the machine has: each call takes so many times as long, as far as anybody above can see. */
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine.h"

/* One engine module per process, so one of each. */
static const struct engine_ops *fast;
static uint32_t times;
static struct engine_ops slow;

static void sleep_on(uint64_t since_us)
{
    uint64_t us = (clock_us() - since_us) * (times - 1);
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (us > 0 && nanosleep(&t, &t) != 0)
        ;
}

static int decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f)
{
    uint64_t since_us = clock_us();
    int err = fast->decode(e, rows, rows_n, f);
    sleep_on(since_us);
    return err;
}

static int embed(struct engine *e, const struct engine_text *texts, uint32_t texts_n, float *out, struct fault *f)
{
    uint64_t since_us = clock_us();
    int err = fast->embed(e, texts, texts_n, out, f);
    sleep_on(since_us);
    return err;
}

const struct engine_ops *engine_throttle(const struct engine_ops *ops, uint32_t factor)
{
    if (factor <= 1)
        return ops;
    MUST(fast == NULL || fast == ops);
    fast = ops;
    times = factor;
    slow = *ops;
    slow.decode = decode;
    slow.embed = ops->embed != NULL ? embed : NULL;
    return &slow;
}
