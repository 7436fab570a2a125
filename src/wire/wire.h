/* Messages between the head and the nodes that dial it: struct <-> bytes.
 *
 * A frame is: u32 length of what follows, u16 message number, fields (schema.h). Pure: bytes in, structs out.
 * The link starts as an HTTP/1.1 Upgrade to WIRE_UPGRADE on WIRE_PATH of the head's one port; the dialler's
 * first frame is `hello`, the head answers `welcome` or `refuse`. */
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
    WIRE_VERSION = 16,
    WIRE_HANDED = WIRE_VERSION << 8 | 0, /* what crosses from a head to the one that takes its place; the low part counts its changes */
    WIRE_FRAME_BYTES_MAX = 8 << 20,   /* longer frames end the link */
    WIRE_TOKENS_BYTES_MAX = 256 << 10, /* same, `tokens`: a step of an engine adds a quarter of that at most (engine/text.h) */
    WIRE_HELLO_BYTES_MAX = 16 << 10,  /* same, before the link is welcomed */
    WIRE_ARENA_BYTES_MAX = 16 << 20,  /* decoded lists of one message */
    WIRE_HEADER_BYTES = 6,
    WIRE_KV_PART_BYTES = 256 << 10,   /* of what is computed of a job, in one frame: others wait 2 ms for it at 1 Gbit/s */
    WIRE_KV_BYTES_MAX = 256 << 20,    /* of one job; more is computed again */
};

enum wire_role { WIRE_ROLE_WORKER = 1, WIRE_ROLE_LAUNCHER = 2 };

/* Of a model, how much a head that gives its place knows: one that was there is waited for, whoever has it now. */
enum wire_known { WIRE_KNOWN_NOT = 0, WIRE_KNOWN = 1, WIRE_KNOWN_READY = 2 /* and it was ready */ };

enum wire_actor_state {
    WIRE_ACTOR_LOADING = 1,
    WIRE_ACTOR_READY = 2,
    WIRE_ACTOR_FAILED = 3, /* will not come; `note` says why */
    WIRE_ACTOR_GONE = 4,   /* unloaded */
};

/* Who decides how many workers there are: the head by its load, or people. UNKNOWN: no head has told yet. */
enum wire_scale_policy { WIRE_SCALE_UNKNOWN = 0, WIRE_SCALE_FIXED = 1, WIRE_SCALE_AUTO = 2 };

/* Whether a worker takes new jobs; what runs continues in any case. */
enum wire_duties { WIRE_DUTY_SERVES = 0, WIRE_DUTY_CORDONED = 1, WIRE_DUTY_DRAINS = 2 };

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

/* One message: `type` tells which member holds. All text and arrays are borrowed. */
struct wire_msg {
    enum wire_type type;
    union {
#define WIRE_MEMBER(no, name) struct wire_##name name;
        WIRE_MESSAGES(WIRE_MEMBER)
#undef WIRE_MEMBER
    };
};

/* Memory for the lists of decoded messages; valid until the next wire_decode() with it. */
struct wire_arena {
    char *p;    /* owned */
    size_t n, cap;
};
/* Frees it; what was decoded into it is gone. */
void wire_arena_fini(struct wire_arena *a);

/* Appends one whole frame to out. ERR_TOO_LARGE: the frame or out's maximum would be exceeded; out is unchanged. */
int wire_encode(struct buf *out, const struct wire_msg *msg);

/* Looks at the bytes received so far. 0 with *out_frame_bytes > 0: a whole frame of that many bytes is there;
 * 0 with *out_frame_bytes == 0: wait for more. ERR_TOO_LARGE when the frame announces more than max_bytes. */
int wire_frame(struct str bytes, size_t max_bytes, size_t *out_frame_bytes);

/* Decodes one whole frame. *out borrows from frame and from arena. On ERR_PROTOCOL `f` (may be NULL) says what was
 * wrong and *out is untouched. Nothing in a frame can make it read outside it or allocate over the arena's limit. */
int wire_decode(struct wire_msg *out, struct wire_arena *arena, struct str frame, struct fault *f);

/* Returns the most bytes that the next frame may have; 0: no more is to be read, the link may be gone. */
typedef size_t wire_msg_fn(const struct wire_msg *msg, size_t frame_bytes, void *user_data);
/* The bytes of a link: hands each whole message at their beginning to on_msg. Returns how many bytes those were. f->err != 0: what
 * comes behind them is too long or no message, and the link is of no use any more. */
size_t wire_read(struct str bytes, size_t max_bytes, struct wire_arena *arena, wire_msg_fn *on_msg, void *user_data, struct fault *f);

/* Writes another job and attempt into a whole frame of `prefilled`, `tokens` or `done`, whose first fields these are. */
void wire_set_job(char *frame, uint64_t job, uint32_t attempt);

/* "hello", "run", …; "?" for an unknown number. */
const char *wire_name(enum wire_type type);

/* One line for traces: `tokens job=4 attempt=1 first=0 text=12B ids=3`. */
void wire_print(struct buf *out, const struct wire_msg *msg);

/* Fills the prompt part of a `run` from a request, and the other way; everything stays borrowed from the source.
 * The lists live in `arena`, which must not be the one `run` was decoded into, and are valid until its next use. */
void wire_run_from_request(struct wire_run *run, const struct request *req, struct wire_arena *arena);
/* The other way. */
void wire_run_to_request(const struct wire_run *run, struct request *out, struct wire_arena *arena);

#endif
