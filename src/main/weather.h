/* A storm carried out on a trial, and what its heads say of it. */
#ifndef MANTA_MAIN_WEATHER_H
#define MANTA_MAIN_WEATHER_H

#include <stdbool.h>

#include "main/storm.h"
#include "main/trial.h"

enum { WEATHER_SAMPLES_MAX = 4096, WEATHER_LEAVE_S = 120, WEATHER_SETTLE_S = 30 };

/* The first WEATHER_SAMPLES_MAX of some times. */
struct weather_times {
    float ms[WEATHER_SAMPLES_MAX];
    uint32_t n;
};
void weather_times_add(struct weather_times *t, double ms);
/* Sorts them. 0 of none. */
double weather_median_ms(struct weather_times *t);
double weather_longest_ms(const struct weather_times *t);

struct weather {
    struct net_loop *loop;
    struct trial *trial;              /* borrowed */
    struct storm storm;
    bool (*is_settled)(uint64_t since_us, void *user_data); /* each stream under way has heard something since then */
    void (*on_failed)(const char *why, void *user_data); /* a worker that was asked to leave does not */
    void *user_data;
    struct net_timer *timer;
    enum { WEATHER_CALM, WEATHER_WAITS, WEATHER_PAUSES, WEATHER_STRUCK, WEATHER_AWAY } state;
    uint32_t next, ended;             /* fault; streams that have ended */
    struct storm_fault fault;         /* the present one */
    enum storm_kind before;           /* the kind of the last one */
    uint64_t over_us, patient_us;     /* when the last one was over; until when to wait for what it hurt */
    struct {
        uint64_t at_us;               /* when its fault began, until a head has said that it left; 0: nothing is awaited */
        enum storm_kind kind;
    } struck[TRIAL_WORKERS_MAX];
    /* what was seen */
    uint32_t faults[STORM_KINDS];
    struct weather_times detected[STORM_KINDS]; /* from the fault until a head said that the worker left; of those frozen or cut off only when it did */
    struct weather_times replays;     /* of answers that went on elsewhere: from the run sent there to the first new token */
    struct weather_times waits;       /* of those: from the last token before to the first one after */
    uint32_t resumed;                 /* how many they were */
};

/* Begins at once. `w` has loop, trial, storm, is_settled, on_failed, user_data set, and the rest zero. */
void weather_start(struct weather *w);
void weather_end(struct weather *w);
/* All faults are over. */
bool weather_is_calm(const struct weather *w);
/* So many streams have ended by now. */
void weather_ended(struct weather *w, uint32_t ended);
/* From the trial: a struck part was started again; a part printed a line. */
void weather_again(struct weather *w);
void weather_line(struct weather *w, struct str line);

#endif
