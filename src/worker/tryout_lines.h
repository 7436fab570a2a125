/* The lines that a tryout's child prints for its parent; all its other output is the engine's.
 * Private to tryout.c and tryout_main.c. */
#ifndef MANTA_WORKER_TRYOUT_LINES_H
#define MANTA_WORKER_TRYOUT_LINES_H

#include <stdint.h>

enum { TRYOUT_LINE_BYTES = 1024 };

#define TRYOUT_OK "manta-tryout: ok"
#define TRYOUT_PROGRESS "manta-tryout: progress %f"
#define TRYOUT_FAULT "manta-tryout: fault %d "

/* Returns the child's memory limit for a worker of memory_bytes; 0 stands for half of the
 * machine's memory. */
uint64_t tryout_memory(uint64_t memory_bytes);

#endif
