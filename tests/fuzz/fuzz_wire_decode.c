/* Any bytes a peer can send: messages are read off them one after the other; what the first one decodes to must encode to the same bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t on_msg(const struct wire_msg *msg, size_t frame_bytes, void *user_data)
{
    size_t *read = user_data;
    MUST(msg->type != 0);
    *read += frame_bytes;
    return WIRE_FRAME_BYTES_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_arena arena;
    struct str bytes = str_n((const char *)data, size);
    size_t frame, read = 0;
    struct fault f;
    MUST(wire_read(bytes, WIRE_FRAME_BYTES_MAX, &arena, on_msg, &read, &f) == read && read <= size);
    if (wire_frame(bytes, WIRE_FRAME_BYTES_MAX, &frame) != 0 || frame == 0)
        return 0;
    struct wire_msg msg;
    if (wire_decode(&msg, &arena, str_n(bytes.p, frame), NULL) != 0)
        return 0;
    struct buf out = buf_max(WIRE_FRAME_BYTES_MAX);
    MUST(wire_encode(&out, &msg) == 0);
    MUST(str_eq(buf_str(&out), str_n(bytes.p, frame)));
    struct buf line = buf_max(64 << 10);
    wire_print(&line, &msg);
    buf_fini(&line);
    buf_fini(&out);
    return 0;
}
