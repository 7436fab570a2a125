/* Fields of the fuzzer's making in a frame of a number of its choice: what a peer could send. */
#ifndef MANTA_TESTS_FUZZ_AS_FRAME_H
#define MANTA_TESTS_FUZZ_AS_FRAME_H

#include <string.h>

#include "wire/wire.h"

/* At most 256 bytes of fields. False: that is no message. *out borrows from frame and arena. */
static inline bool as_frame(uint8_t number, struct str fields, char frame[WIRE_HEADER_BYTES + 256], struct wire_arena *arena,
                            struct wire_msg *out)
{
    memset(frame, 0, WIRE_HEADER_BYTES);
    frame[0] = (char)(2 + fields.n);
    frame[1] = (char)((2 + fields.n) >> 8);
    frame[4] = (char)number;
    if (fields.n > 0)
        memcpy(frame + WIRE_HEADER_BYTES, fields.p, fields.n);
    return wire_decode(out, arena, str_n(frame, WIRE_HEADER_BYTES + fields.n), NULL) == 0;
}

#endif
