/* What peers may call themselves. */
#ifndef MANTA_BRAIN_KIT_TEXT_H
#define MANTA_BRAIN_KIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Not empty, at most max bytes of UTF-8, nothing that a terminal obeys (base/plain.h): fit for names, logs and one line of a table. */
bool text_is_name(struct str s, size_t max);
/* Same, but may be empty. */
bool text_is_line(struct str s, size_t max);
/* An owned copy of at most max bytes, of whole characters, in which blanks and '?' stand for those that are not fit for that. */
char *text_line_dup(struct str s, size_t max);
/* What a duty is called in status, events and answers: "serves", "cordoned", "drains". */
const char *duty_name(uint8_t duty);
/* The same of an actor's state (enum wire_actor_state): "loading", "ready", "failed", "gone". */
const char *actor_state_name(uint8_t state);
/* *field, owned, has that value from now on, which is taken over. */
void text_set(char **field, char *value);

#endif
