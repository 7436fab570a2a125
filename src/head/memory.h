/* The head's memory budget: the limit of each part, its present use, and the effect of reaching the
 * limit. */
#ifndef MANTA_HEAD_MEMORY_H
#define MANTA_HEAD_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct head_program;
struct call;

enum { MEMORY_PARTS_MAX = 20 };

struct memory_part {
    const char *name;   /* static; the name of the limit */
    uint64_t bytes_max;
    uint64_t bytes;     /* now; 0 if not counted */
    const char *then;   /* static; what is refused or dropped at the limit */
};

/* Lists all parts. Returns their number. */
size_t memory_parts(const struct head_program *p, struct memory_part out[MEMORY_PARTS_MAX]);
/* Returns the sum of the parts' limits. */
uint64_t memory_bytes_max(const struct head_program *p);
/* Once, at the start: makes freed memory return to the system, and warns if the system allows less
 * than memory_bytes_max(). */
void memory_begin(struct head_program *p);
/* Periodically: returns memory to the system after much was freed. */
void memory_tend(struct head_program *p);
/* Counts that a call keeps `more` bytes of answers (or fewer, if negative). If all calls together
 * exceed the limit, those that keep the most are doomed. */
void memory_of_call(struct head_program *p, struct call *c, int64_t more);

#endif
