/* Sum up a chaos run and print the result. */
#ifndef MANTA_LAB_REPORT_H
#define MANTA_LAB_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/judge.h"
#include "lab/runner.h"

struct report {
    uint32_t streams, lost, malformed, errors, changed, returned; /* returned: streams asked for again at a head */
    struct judge_bytes bytes;
    uint64_t gap_us;            /* the longest of all streams */
    struct runner_times aways; /* of streams whose head died: until they resumed */
    bool exact;                 /* changes count as failures, too */
};

void report_add(struct report *t, const struct answer *a, const struct judgement *j);
/* Was this stream answered as it should be? */
bool report_accepts(const struct report *t, const struct judgement *j);
/* Were all streams? */
bool report_is_well(const struct report *t);

/* The run that is reported; all borrowed. */
struct report_about {
    const char *model;
    uint32_t slots, at_once;
};
/* Print to stdout: several lines for people, the last of them with the sums; or one JSON object.
 * Both sort the samples. */
void report_put_text(struct report *t, struct runner *w, const struct report_about *about);
void report_put_json(struct report *t, struct runner *w, const struct report_about *about);

#endif
