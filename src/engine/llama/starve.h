/* A fault for tests: this thread's n-th piece of memory from now on is not there. 0: all are. Without a meaning where the module has no
 * operator new of its own (sanitizers). */
#ifndef MANTA_ENGINE_LLAMA_STARVE_H
#define MANTA_ENGINE_LLAMA_STARVE_H

#ifdef __cplusplus
extern "C"
#endif
/* The n-th allocation from now on fails; 0: none does. */
void starve_at(unsigned n);

#endif
