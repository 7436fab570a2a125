/* Format numbers, paths and bytes for error messages. */
#ifndef MANTA_MODELS_SHOW_H
#define MANTA_MODELS_SHOW_H

#include <stddef.h>
#include <stdint.h>

struct show_text {
    char text[208];
};

/* Writes 98362432 as "98,362,432". */
struct show_text show_count(uint64_t n);
/* Writes the path; "…" replaces the beginning of a long one, because the end tells more. */
struct show_text show_path(const char *path);
/* Writes the bytes: printable ones as they are, others as \\x7f. */
struct show_text show_bytes(const void *p, size_t n);

#endif
