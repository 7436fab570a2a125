/* Allocate small bookkeeping memory, or end the process with a report.
 *
 * Never size one of these from data a peer sent without checking it against a named maximum first. */
#ifndef MANTA_BASE_ALLOC_H
#define MANTA_BASE_ALLOC_H

#include <stddef.h>

#include "base/str.h"

/* Returns n zeroed bytes. The caller frees them with free(). */
void *xalloc(size_t n);
/* Returns n zeroed items of `size` bytes; aborts when the product overflows. The caller frees
 * them. */
void *xalloc_array(size_t n, size_t size);
/* As realloc(). New bytes are not zeroed. */
void *xrealloc(void *p, size_t n);
/* Returns a terminated copy of s. The caller frees it. */
char *xstrdup(const char *s);
/* Returns a terminated copy of s. The caller frees it. */
char *xstr_dup(struct str s);

#endif
