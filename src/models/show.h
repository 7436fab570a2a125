/* Words for error messages: numbers people can compare, paths that fit, bytes that a terminal survives. */
#ifndef MANTA_MODELS_SHOW_H
#define MANTA_MODELS_SHOW_H

#include <stddef.h>
#include <stdint.h>

struct show_text {
    char text[208];
};

/* 98362432 -> "98,362,432" */
struct show_text show_count(uint64_t n);
/* The path, its beginning replaced by "…" when it is long: the end tells more. */
struct show_text show_path(const char *path);
/* The first bytes of something: printable ones as they are, others as \x7f. */
struct show_text show_bytes(const void *p, size_t n);

#endif
