/* Checks and copies names and lines that peers send. */
#ifndef MANTA_BRAIN_KIT_TEXT_H
#define MANTA_BRAIN_KIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Not empty, at most max bytes of UTF-8, no terminal control characters (base/plain.h): fit for names and log lines. */
bool text_is_name(struct str s, size_t max);
/* As text_is_name(), but may be empty. */
bool text_is_line(struct str s, size_t max);
/* An owned copy of at most max bytes, cut between characters, in which blanks and '?' replace control characters. */
char *text_line_dup(struct str s, size_t max);
/* An availability's name in status, events and answers: "serving", "cordoned", "draining". */
const char *availability_name(uint8_t availability);
/* The name of an actor's state (enum wire_actor_state): "loading", "ready", "failed", "gone". */
const char *actor_state_name(uint8_t state);
/* Replaces *field, which is owned; takes over `value`. */
void text_set(char **field, char *value);

#endif
