/* Slow an engine down: each decode and embed call takes a multiple of its time, as seen by the caller. For
 * tests, the minimum duration of a call can also be set from outside while the engine runs, so that an answer
 * stays unfinished until the test is done with it, however fast the machine is. */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine.h"

/* There is one engine module per process, so these are static. */
static const struct engine_ops *fast;
static uint32_t times;
static const char *pace_file; /* NULL: none */
static struct engine_ops slow;

static void sleep_us(uint64_t us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (us > 0 && nanosleep(&t, &t) != 0)
        ;
}

/* Returns the minimum duration of a call in microseconds, as the file says now; 0 if it does not
 * exist. */
static uint64_t pace_us(void)
{
    char text[16];
    int fd = pace_file != NULL ? open(pace_file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strtoul(text, NULL, 10) * 1000;
}

static void sleep_on(uint64_t since_us)
{
    enum { LOOK_US = 2000 }; /* how soon a new pace is noticed */
    sleep_us((clock_us() - since_us) * (times - 1));
    while (clock_us() - since_us < pace_us())
        sleep_us(LOOK_US);
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

const struct engine_ops *engine_throttle(const struct engine_ops *ops, uint32_t factor, const char *pace)
{
    if (factor <= 1 && *pace == '\0')
        return ops;
    MUST(fast == NULL || fast == ops);
    fast = ops;
    times = factor > 1 ? factor : 1;
    pace_file = *pace != '\0' ? pace : NULL;
    slow = *ops;
    slow.decode = decode;
    slow.embed = ops->embed != NULL ? embed : NULL;
    return &slow;
}
