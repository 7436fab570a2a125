/* The sums of a chaos run, and how they are shown. */
#ifndef MANTA_LAB_REPORT_H
#define MANTA_LAB_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/judge.h"
#include "lab/runner.h"

struct report {
    uint32_t streams, lost, malformed, errors, changed, returned; /* streams; returned: asked for again at a head */
    struct judge_bytes bytes;
    uint64_t gap_us;            /* the longest of all */
    struct runner_times aways; /* of streams whose head died: until they continued */
    bool exact;                 /* what changed is wrong, too */
};

void report_add(struct report *t, const struct answer *a, const struct judgement *j);
/* Was this stream as it should be? */
bool report_accepts(const struct report *t, const struct judgement *j);
/* Were all? */
bool report_is_well(const struct report *t);

/* What ran; all borrowed. */
struct report_about {
    const char *model;
    uint32_t slots, at_once;
};
/* To stdout: several lines for people, the last of them with the sums; or one JSON object. They sort the times. */
void report_put_text(struct report *t, struct runner *w, const struct report_about *about);
void report_put_json(struct report *t, struct runner *w, const struct report_about *about);

#endif
