/* The loads. Times are short for days and long for a test: an hour stands for what takes one or a day. */
#include <math.h>

#include "autoscale.h"

static const double TURN = 6.283185307179586;

static double steady(double t, int m, const struct shape *s)
{
    (void)t, (void)m;
    return s->most;
}
static double bursts(double t, int m, const struct shape *s)
{
    (void)m;
    return fmod(t, 360) < 60 ? s->most : s->most / 10;
}
static double diurnal(double t, int m, const struct shape *s)
{
    double phase = t / 3600 + (m == 0 ? 0 : 0.5);
    return s->most * (0.55 - 0.45 * cos(TURN * phase));
}
static double flash(double t, int m, const struct shape *s)
{
    (void)m;
    double at = t - 1200;
    return at < 0 || at > 400 ? s->most / 10 : at < 10 ? s->most * (0.1 + 0.09 * at) : at < 300 ? s->most : s->most * (1 - 0.009 * (at - 300));
}
static double hill(double t, int m, const struct shape *s)
{
    (void)m;
    double part = t / (60.0 * s->minutes);
    return s->most * (part < 0.4 ? 0.1 + 0.9 * part / 0.4 : part < 0.6 ? 1 : 1 - 0.9 * (part - 0.6) / 0.4);
}
static double visits(double t, int m, const struct shape *s)
{
    (void)m;
    return fmod(t, 1200) < 300 ? s->most : 0;
}
static double ramp_up(double t, int m, const struct shape *s)
{
    (void)m;
    return s->most * fmin(t / (55.0 * s->minutes), 1);
}
static double ramp_down(double t, int m, const struct shape *s)
{
    (void)m;
    return s->most * fmax(1 - t / (60.0 * s->minutes), 0.02);
}
static double sawtooth(double t, int m, const struct shape *s)
{
    (void)m;
    return s->most * (0.05 + 0.95 * fmod(t, 600) / 600);
}
static double office(double t, int m, const struct shape *s)
{
    (void)m;
    return fmod(t, 1800) < 900 ? s->most : 0;
}
/* A walk of steps by chance, one a minute. */
static double wander(double t, int m, const struct shape *s)
{
    double level = 0.4;
    for (uint64_t minute = 0; minute < (uint64_t)(t / 60); minute++)
        level = fmin(fmax(level + 0.3 * (rng_unit(77 + (uint64_t)m, minute) - 0.5), 0.05), 1);
    return s->most * level;
}
static double cold(double t, int m, const struct shape *s)
{
    (void)m;
    return t < 300 ? 0 : s->most;
}
static double lunch(double t, int m, const struct shape *s)
{
    (void)m;
    return t > 1500 && t < 2100 ? s->most / 8 : s->most;
}

const struct shape shapes[] = {
    {"steady", "the same all the time", steady, 1.2, 60, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"trickle", "one request in 25 s", steady, 0.04, 60, 4.5, 0.5, 12, 0, 8, 1, .quota = 0},
    {"bursts", "a minute of ten times as much, every six", bursts, 3, 60, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"diurnal", "day and night, an hour each", diurnal, 3, 120, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"flash crowd", "ten times as much within 10 s, for five minutes", flash, 4.5, 60, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"slow load", "up and down, a worker takes two minutes", hill, 3, 90, 4.5, 0.5, 120, 1, 8, 1, .quota = 0},
    {"slow load, bursts", "bursts, a worker takes two minutes", bursts, 2.5, 60, 4.5, 0.5, 120, 1, 8, 1, .quota = 0},
    {"flapping node", "steady, a worker dies every 90 s", steady, 1.2, 60, 4.5, 0.5, 12, 1, 8, 1, .dies_every_s = 90},
    {"visits", "five minutes in twenty, none between", visits, 1.5, 80, 4.5, 0.5, 12, 0, 8, 1, .quota = 0},
    {"ramp up", "from nothing to much", ramp_up, 4, 60, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"ramp down", "from much to nothing", ramp_down, 4, 60, 4.5, 0.5, 12, 0, 8, 1, .quota = 0},
    {"sawtooth", "ten minutes up, then at once down", sawtooth, 3.5, 60, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"heavy tail", "some requests take a hundred times as long", steady, 0.9, 60, 3, -1.5, 12, 1, 8, 1, .quota = 0},
    {"launcher away", "ramp up, the launcher is dead for four minutes", ramp_up, 3.5, 60, 4.5, 0.5, 12, 1, 8, 1, .launcher_away_s = {1200, 1440}},
    {"quota", "day and night, the engine gives three workers", diurnal, 2.6, 120, 4.5, 0.5, 12, 1, 8, 1, .quota = 3},
    {"two models", "the day of one is the night of the other", diurnal, 2.5, 120, 4.5, 0.5, 12, 1, 8, 2, .quota = 0},
    {"long answers", "a minute each", steady, 0.2, 60, 55, 0.4, 12, 1, 8, 1, .quota = 0},
    {"batches", "150 requests at once, every ten minutes", steady, 0.1, 60, 4.5, 0.5, 12, 0, 8, 1, .dump = 150},
    {"office hours", "a quarter of an hour on, one off", office, 2, 90, 4.5, 0.5, 12, 0, 8, 1, .quota = 0},
    {"wander", "a walk by chance", wander, 4, 90, 4.5, 0.5, 12, 1, 8, 1, .quota = 0},
    {"cold start", "nothing, then much at once", cold, 2.5, 45, 4.5, 0.5, 20, 0, 8, 1, .quota = 0},
    {"short answers", "half a second each, many; a lull", lunch, 16, 60, 0.45, 0.4, 12, 1, 8, 1, .quota = 0},
};
const uint32_t shapes_n = sizeof shapes / sizeof shapes[0];
