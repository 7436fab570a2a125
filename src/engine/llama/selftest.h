/* Does a model give a row of a text the same bits whatever else is computed with it? Measured, with the model itself. */
#ifndef MANTA_ENGINE_LLAMA_SELFTEST_H
#define MANTA_ENGINE_LLAMA_SELFTEST_H

#include "engine/llama/module.h"

enum { SELFTEST_WHY_BYTES = 160 };

/* Computes a made-up text of some 260 tokens in calls of 200, 64, 8, 3 and 1 rows, on one thread and on several, alone and beside another
 * text, and compares some rows' bits after each matrix product and attention. The context is made for it and gone afterwards; the
 * model must not be in use. `go_on` is asked now and then, false stops it.
 * 0: all are the same. ERR_UNSUPPORTED: why has what differed. ERR_CANCELLED; ERR_MEMORY, ERR_FAILED with f. */
int selftest_rows(struct llama_model *model, const struct engine_load *load, bool (*go_on)(void *user_data), void *user_data,
                  char why[SELFTEST_WHY_BYTES], struct fault *f);
/* The same for an engine whose texts become vectors, one in a call: on one thread and on several. Its threads are load->threads afterwards. */
int selftest_vector(struct engine *e, const struct engine_load *load, char why[SELFTEST_WHY_BYTES], struct fault *f);

#endif
