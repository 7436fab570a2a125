/* Measure, with the model itself, whether it gives a row of a text the same bits whatever else is
 * computed with it. */
#ifndef MANTA_ENGINE_LLAMA_SELFTEST_H
#define MANTA_ENGINE_LLAMA_SELFTEST_H

#include "engine/llama/module.h"

enum { SELFTEST_WHY_BYTES = 160 };

/* Computes an artificial text of about 260 tokens in calls of 200, 64, 8, 3 and 1 rows, on one
 * thread and on several, alone and beside another text, and compares the bits of some rows after
 * each matrix product and attention. Makes a context of its own and frees it; the model must not be
 * in use. `go_on` is polled; false stops the test.
 * Returns 0 if all bits are the same; ERR_UNSUPPORTED, with the difference in why; ERR_CANCELLED;
 * ERR_MEMORY or ERR_FAILED with f. */
int selftest_rows(struct llama_model *model, const struct engine_load *load, bool (*go_on)(void *user_data), void *user_data,
                  char why[SELFTEST_WHY_BYTES], struct fault *f);
/* The same for an engine that turns texts into vectors, one per call: on one thread and on several.
 * Its threads are load->threads afterwards. */
int selftest_vector(struct engine *e, const struct engine_load *load, char why[SELFTEST_WHY_BYTES], struct fault *f);

#endif
