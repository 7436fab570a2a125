/* The typed parts of an answer's text: words for the user, reasoning, tool calls.
 *
 * An event has one text, the concatenated bytes of its parts, and a list that divides it. Without a
 * list the whole text is PART_TEXT, so plain answers carry no list. Parts are a function of the
 * request and the ids of the answer's tokens: replaying the ids gives the same parts, divided at
 * the same bytes. */
#ifndef MANTA_BASE_PART_H
#define MANTA_BASE_PART_H

#include <stdint.h>

/* Sent on the wire: only add at the end. */
enum part_kind {
    PART_TEXT = 0,
    PART_REASONING = 1,
    PART_TOOL_NAME = 2,      /* begins a tool call; whole, never empty */
    PART_TOOL_ARGUMENTS = 3, /* the next piece of that call's arguments: the JSON text of an object */
    PART_KINDS,
};

/* Parts of one event. Events between two tokens are numbered, and each part takes some numbers
 * (API_STEPS_MAX). */
enum { PARTS_MAX = 512 };

struct part {
    uint8_t kind;   /* enum part_kind */
    uint32_t call;  /* TOOL_NAME, TOOL_ARGUMENTS: number of the call in the answer, counting from 0; else 0 */
    uint32_t bytes; /* length within the event's text */
};

#endif
