/* Memory for small bookkeeping: it is there, or the process ends with a report.
 *
 * Never size one of these from what a peer sent without a named maximum first. */
#ifndef MANTA_BASE_ALLOC_H
#define MANTA_BASE_ALLOC_H

#include <stddef.h>

#include "base/str.h"

/* n zeroed bytes; the caller frees with free(). */
void *xalloc(size_t n);
/* n zeroed items of `size` bytes; aborts when the product overflows. */
void *xalloc_array(size_t n, size_t size);
/* As realloc; new bytes are not zeroed. */
void *xrealloc(void *p, size_t n);
/* A terminated copy of s; the caller frees. */
char *xstrdup(const char *s);
/* A terminated copy, the caller's to free. */
char *xstr_dup(struct str s);

#endif
