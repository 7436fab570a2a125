/* Find the known word nearest to a mistyped one, for "did you mean …?". */
#ifndef MANTA_BASE_NEAREST_H
#define MANTA_BASE_NEAREST_H

#include <stddef.h>

/* Returns the entry of words[0..n) with the smallest edit distance to `word`, or NULL when none
 * is near (more than a third of its letters differ). Words longer than 63 bytes are never near. */
const char *nearest_word(const char *word, const char *const *words, size_t n);

#endif
