/* The head's memory: what each part of it may take, what it takes, and what happens at its limit. */
#ifndef MANTA_HEAD_MEMORY_H
#define MANTA_HEAD_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct head_program;
struct call;

enum { MEMORY_PARTS_MAX = 20 };

struct memory_part {
    const char *name;   /* static; of the limit */
    uint64_t bytes_max;
    uint64_t bytes;     /* now; 0 where it is not counted */
    const char *then;   /* static; what happens to whom when there is no more room */
};

/* All parts. Returns how many. */
size_t memory_parts(const struct head_program *p, struct memory_part out[MEMORY_PARTS_MAX]);
/* What they may take together. */
uint64_t memory_bytes_max(const struct head_program *p);
/* Once, at the start: what is freed goes back to the system, and it is said when that allows us less than we may take. */
void memory_begin(struct head_program *p);
/* Now and then: after much was freed it goes back to the system. */
void memory_tend(struct head_program *p);
/* The call keeps so many bytes more of its answers, or fewer. When that is too much for all calls together, those that keep
 * the most are put on the list of the doomed. */
void memory_of_call(struct head_program *p, struct call *c, int64_t more);

#endif
