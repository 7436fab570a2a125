/* Messages between the head and the nodes that dial it: structs to bytes and back.
 *
 * A frame is: u32 length of the rest, u16 message number, fields (schema.h). Pure: bytes in,
 * structs out. A link starts as an HTTP/1.1 Upgrade to WIRE_UPGRADE on WIRE_PATH of the head's only
 * port; the dialler's first frame is `hello`, and the head answers `welcome` or `refuse`. */
#ifndef MANTA_WIRE_WIRE_H
#define MANTA_WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/request.h"
#include "base/str.h"
#include "wire/schema.h"

#define WIRE_UPGRADE "manta"
#define WIRE_PATH "/manta/link"
#define WIRE_NOT_KNOWN UINT32_MAX /* scale_state.running: the launcher has not seen its engine yet */

enum {
    WIRE_VERSION = 19,
    WIRE_HANDED = WIRE_VERSION << 8 | 1, /* format of a handoff from a head to its successor; the low part counts its changes */
    WIRE_FRAME_BYTES_MAX = 8 << 20,   /* longer frames end the link */
    WIRE_TOKENS_BYTES_MAX = 256 << 10, /* likewise, `tokens`: an engine's step adds at most a quarter of that (engine/text.h) */
    WIRE_HELLO_BYTES_MAX = 16 << 10,  /* likewise, before the link is welcomed */
    WIRE_ARENA_BYTES_MAX = 16 << 20,  /* decoded lists of one message */
    WIRE_HEADER_BYTES = 6,
    WIRE_KV_PART_BYTES = 256 << 10,   /* of a KV cache, in one frame: other frames wait 2 ms for it at 1 Gbit/s */
    WIRE_KV_BYTES_MAX = 256 << 20,    /* of one job's KV cache; a larger one is recomputed */
};

enum wire_role { WIRE_ROLE_WORKER = 1, WIRE_ROLE_LAUNCHER = 2 };

/* A former head's knowledge of a model. A known model is waited for, even if no worker has it now. */
enum wire_known { WIRE_KNOWN_NOT = 0, WIRE_KNOWN = 1, WIRE_KNOWN_READY = 2 /* and an actor of it was ready */ };

enum wire_actor_state {
    WIRE_ACTOR_LOADING = 1,
    WIRE_ACTOR_READY = 2,
    WIRE_ACTOR_FAILED = 3, /* failed to load; `note` says why */
    WIRE_ACTOR_GONE = 4,   /* unloaded */
};

/* Who decides the number of workers: the head by its load, or a client. UNKNOWN: no head has said so yet. */
enum wire_scale_policy { WIRE_SCALE_UNKNOWN = 0, WIRE_SCALE_FIXED = 1, WIRE_SCALE_AUTO = 2 };

/* Whether a worker takes new jobs; running jobs continue in any case. */
enum wire_availabilities { WIRE_SERVING = 0, WIRE_CORDONED = 1, WIRE_DRAINING = 2 };

struct wire_i32s { const int32_t *p; uint32_t n; };    /* borrowed */
struct wire_f32s { const float *p; uint32_t n; };      /* borrowed */
struct wire_strs { const struct str *p; uint32_t n; }; /* borrowed */

#define WIRE_C_U8 uint8_t
#define WIRE_C_U16 uint16_t
#define WIRE_C_U32 uint32_t
#define WIRE_C_U64 uint64_t
#define WIRE_C_I32 int32_t
#define WIRE_C_F32 float
#define WIRE_C_F64 double
#define WIRE_C_STR struct str
#define WIRE_C_I32S struct wire_i32s
#define WIRE_C_F32S struct wire_f32s
#define WIRE_C_STRS struct wire_strs

#define WIRE_FIELD(kind, name, remark) WIRE_C_##kind name;
#define WIRE_LIST(part, name, remark) const struct wire_##part *name; uint32_t name##_n;
#define WIRE_SUB(part, name, remark) struct wire_##part name;
#define WIRE_STRUCT_PART(name) struct wire_##name { WIRE_PART_##name(WIRE_FIELD, WIRE_LIST, WIRE_SUB) };
#define WIRE_STRUCT_MSG(no, name) struct wire_##name { WIRE_MSG_##name(WIRE_FIELD, WIRE_LIST, WIRE_SUB) };
WIRE_PARTS(WIRE_STRUCT_PART)
WIRE_MESSAGES(WIRE_STRUCT_MSG)

#define WIRE_ENUM(no, name) WIRE_##name = (no),
enum wire_type { WIRE_MESSAGES(WIRE_ENUM) };
#undef WIRE_ENUM

/* One message: `type` selects the member. All texts and arrays are borrowed. */
struct wire_msg {
    enum wire_type type;
    union {
#define WIRE_MEMBER(no, name) struct wire_##name name;
        WIRE_MESSAGES(WIRE_MEMBER)
#undef WIRE_MEMBER
    };
};

/* Memory for the lists of a decoded message; valid until the next wire_decode() with it. */
struct wire_arena {
    char *p;    /* owned */
    size_t n, cap;
};
/* Frees the arena; messages decoded into it become invalid. */
void wire_arena_fini(struct wire_arena *a);

/* Appends one whole frame to out. ERR_TOO_LARGE: it would exceed the frame's or out's maximum; out is unchanged. */
int wire_encode(struct buf *out, const struct wire_msg *msg);

/* Looks for a frame in the bytes received so far. 0 with *out_frame_bytes > 0: a whole frame of
 * that many bytes; 0 with *out_frame_bytes == 0: wait for more. ERR_TOO_LARGE: the frame announces
 * more than max_bytes, or less than a header. */
int wire_frame(struct str bytes, size_t max_bytes, size_t *out_frame_bytes);

/* Decodes one whole frame. *out borrows from frame and arena. On ERR_PROTOCOL `f` (may be NULL)
 * says what was wrong and *out is untouched. No frame can cause a read outside of it, or an
 * allocation above the arena's limit. */
int wire_decode(struct wire_msg *out, struct wire_arena *arena, struct str frame, struct fault *f);

/* Returns the maximum of the next frame in bytes; 0: stop reading, the link may be gone. */
typedef size_t wire_msg_fn(const struct wire_msg *msg, size_t frame_bytes, void *user_data);
/* Reads a link's bytes: hands each whole message at their beginning to on_msg, and returns how many bytes
 * those took. With f->err != 0 the next frame is too long or no message, and the link is unusable. */
size_t wire_read(struct str bytes, size_t max_bytes, struct wire_arena *arena, wire_msg_fn *on_msg, void *user_data, struct fault *f);

/* Overwrites job and attempt in a whole frame of `prefilled`, `tokens` or `done`, which begin with these fields. */
void wire_set_job(char *frame, uint64_t job, uint32_t attempt);

/* "hello", "run", …; "?" for an unknown number. */
const char *wire_name(enum wire_type type);

/* One line for traces: `tokens job=4 attempt=1 first=0 text=12B ids=3`. */
void wire_print(struct buf *out, const struct wire_msg *msg);

/* Fills the prompt part of a `run` from a request, borrowing all of it. The lists live in `arena`,
 * which MUST NOT be the one that `run` was decoded into, and are valid until the arena's next use. */
void wire_run_from_request(struct wire_run *run, const struct request *req, struct wire_arena *arena);
/* Fills a request from a `run`; borrows and uses `arena` likewise. */
void wire_run_to_request(const struct wire_run *run, struct request *out, struct wire_arena *arena);

#endif
