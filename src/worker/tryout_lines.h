/* What the child of a tryout prints for its parent; everything else that it prints is the engine's. Private to tryout.c and
 * tryout_main.c. */
#ifndef MANTA_WORKER_TRYOUT_LINES_H
#define MANTA_WORKER_TRYOUT_LINES_H

#include <stdint.h>

enum { TRYOUT_LINE_BYTES = 1024 };

#define TRYOUT_OK "manta-tryout: ok"
#define TRYOUT_PROGRESS "manta-tryout: progress %f"
#define TRYOUT_FAULT "manta-tryout: fault %d "

/* The memory that the child may have, when its worker has so much: 0 stands for half of the machine's. */
uint64_t tryout_memory(uint64_t memory_bytes);

#endif
