/* The sums of a chaos run, and how they are shown. */
#ifndef MANTA_MAIN_TALLY_H
#define MANTA_MAIN_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "client/judge.h"
#include "main/weather.h"

struct tally {
    uint32_t streams, lost, malformed, errors, changed, returned; /* streams; returned: asked for again at a head */
    struct judge_bytes bytes;
    uint64_t gap_us;            /* the longest of all */
    struct weather_times aways; /* of streams whose head died: until they went on */
    bool exact;                 /* what changed is wrong, too */
};

void tally_add(struct tally *t, const struct answer *a, const struct judgement *j);
/* Was this stream as it should be? */
bool tally_accepts(const struct tally *t, const struct judgement *j);
/* Were all? */
bool tally_is_well(const struct tally *t);

/* What ran; all borrowed. */
struct tally_about {
    const char *model;
    uint32_t slots, at_once;
};
/* To stdout: several lines for people, the last of them with the sums; or one JSON object. They sort the times. */
void tally_put_text(struct tally *t, struct weather *w, const struct tally_about *about);
void tally_put_json(struct tally *t, struct weather *w, const struct tally_about *about);

#endif
