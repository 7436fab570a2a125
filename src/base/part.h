/* What an answer's text is made of: words for the user, reasoning, calls of tools.
 *
 * An event has one text, the bytes of its parts one behind the other, and a list that cuts it. Without a list all of it is
 * PART_TEXT, so answers to requests that ask for nothing else carry nothing. Parts are a function of the request and the ids of the
 * answer's tokens: whoever replays the ids gets the same parts, cut at the same bytes. */
#ifndef MANTA_BASE_PART_H
#define MANTA_BASE_PART_H

#include <stdint.h>

/* Sent on the wire: only add at the end. */
enum part_kind {
    PART_TEXT = 0,
    PART_REASONING = 1,
    PART_TOOL_NAME = 2,      /* begins a call of a tool; whole, never empty */
    PART_TOOL_ARGUMENTS = 3, /* the next piece of that call's arguments: JSON text of an object */
    PART_KINDS,
};

/* Parts of one event. Events between two tokens are numbered, with some for each part (API_STEPS_MAX). */
enum { PARTS_MAX = 512 };

struct part {
    uint8_t kind;   /* enum part_kind */
    uint32_t call;  /* TOOL_NAME, TOOL_ARGUMENTS: number of the call in the answer: 0, 1, …, one after another; else 0 */
    uint32_t bytes; /* of the event's text */
};

#endif
