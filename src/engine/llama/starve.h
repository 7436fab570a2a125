/* Simulate a failed allocation for tests. No effect if the module has no operator new of its own
 * (sanitizers). */
#ifndef MANTA_ENGINE_LLAMA_STARVE_H
#define MANTA_ENGINE_LLAMA_STARVE_H

#ifdef __cplusplus
extern "C"
#endif
/* Makes this thread's n-th allocation from now on fail; 0: none fails. */
void starve_at(unsigned n);

#endif
