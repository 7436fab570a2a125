#include "wire/tables.h"

/* clang-format off */
#define FIELD(k, n, remark) {.kind = K_##k, .name = #n, .at = offsetof(struct THIS, n)},
#define LIST(p, n, remark) {.kind = K_LIST, .name = #n, .at = offsetof(struct THIS, n), .count_at = offsetof(struct THIS, n##_n), .part = &schema_##p},
#define SUB(p, n, remark) {.kind = K_SUB, .name = #n, .at = offsetof(struct THIS, n), .part = &schema_##p},
#define MIN_U8 1
#define MIN_U16 2
#define MIN_U32 4
#define MIN_U64 8
#define MIN_I32 4
#define MIN_F32 4
#define MIN_F64 8
#define MIN_STR 4
#define MIN_I32S 4
#define MIN_F32S 4
#define MIN_STRS 4
#define FIELD_MIN(k, n, remark) + MIN_##k
#define LIST_MIN(p, n, remark) + 4
#define SUB_MIN(p, n, remark) + 0
#define SCHEMA(prefix, sname) \
    static const struct field fields_##sname[] = {WIRE_##prefix##_##sname(FIELD, LIST, SUB)}; \
    static const struct schema schema_##sname = { \
        #sname, sizeof(struct wire_##sname), 0 WIRE_##prefix##_##sname(FIELD_MIN, LIST_MIN, SUB_MIN), \
        fields_##sname, sizeof fields_##sname / sizeof fields_##sname[0]};

#define THIS wire_turn
SCHEMA(PART, turn)
#undef THIS
#define THIS wire_bias
SCHEMA(PART, bias)
#undef THIS
#define THIS wire_sampling
SCHEMA(PART, sampling)
#undef THIS
#define THIS wire_load
SCHEMA(PART, load)
#undef THIS
#define THIS wire_part
SCHEMA(PART, part)
#undef THIS
#define THIS wire_input
SCHEMA(PART, input)
#undef THIS
#define THIS wire_hello
SCHEMA(MSG, hello)
#undef THIS
#define THIS wire_actor
SCHEMA(MSG, actor)
#undef THIS
#define THIS wire_beat
SCHEMA(MSG, beat)
#undef THIS
#define THIS wire_progress
SCHEMA(MSG, progress)
#undef THIS
#define THIS wire_prefilled
SCHEMA(MSG, prefilled)
#undef THIS
#define THIS wire_tokens
SCHEMA(MSG, tokens)
#undef THIS
#define THIS wire_done
SCHEMA(MSG, done)
#undef THIS
#define THIS wire_bye
SCHEMA(MSG, bye)
#undef THIS
#define THIS wire_scale_state
SCHEMA(MSG, scale_state)
#undef THIS
#define THIS wire_availability
SCHEMA(MSG, availability)
#undef THIS
#define THIS wire_crashed
SCHEMA(MSG, crashed)
#undef THIS
#define THIS wire_held
SCHEMA(MSG, held)
#undef THIS
#define THIS wire_welcome
SCHEMA(MSG, welcome)
#undef THIS
#define THIS wire_refuse
SCHEMA(MSG, refuse)
#undef THIS
#define THIS wire_actor_ack
SCHEMA(MSG, actor_ack)
#undef THIS
#define THIS wire_beat_ack
SCHEMA(MSG, beat_ack)
#undef THIS
#define THIS wire_run
SCHEMA(MSG, run)
#undef THIS
#define THIS wire_cancel
SCHEMA(MSG, cancel)
#undef THIS
#define THIS wire_scale
SCHEMA(MSG, scale)
#undef THIS
#define THIS wire_seek
SCHEMA(MSG, seek)
#undef THIS
#define THIS wire_adopt
SCHEMA(MSG, adopt)
#undef THIS
#define THIS wire_cordon
SCHEMA(MSG, cordon)
#undef THIS
#define THIS wire_drain
SCHEMA(MSG, drain)
#undef THIS
#define THIS wire_kv_saved
SCHEMA(MSG, kv_saved)
#undef THIS
#define THIS wire_kv_part
SCHEMA(MSG, kv_part)
#undef THIS
#define THIS wire_kv_ack
SCHEMA(MSG, kv_ack)
#undef THIS
#define THIS wire_kv_save
SCHEMA(MSG, kv_save)
#undef THIS
#define THIS wire_kv_pull
SCHEMA(MSG, kv_pull)
#undef THIS
#define THIS wire_kv_drop
SCHEMA(MSG, kv_drop)
#undef THIS
#define THIS wire_replace
SCHEMA(MSG, replace)
#undef THIS
#define THIS wire_yields
SCHEMA(MSG, yields)
#undef THIS
#define THIS wire_moved_conn
SCHEMA(MSG, moved_conn)
#undef THIS
#define THIS wire_moved_bytes
SCHEMA(MSG, moved_bytes)
#undef THIS
#define THIS wire_moved_job
SCHEMA(MSG, moved_job)
#undef THIS
#define THIS wire_moved_call
SCHEMA(MSG, moved_call)
#undef THIS
#define THIS wire_moved_candidate
SCHEMA(PART, moved_candidate)
#undef THIS
#define THIS wire_moved_step
SCHEMA(PART, moved_step)
#undef THIS
#define THIS wire_moved_account
SCHEMA(MSG, moved_account)
#undef THIS
#define THIS wire_moved_all
SCHEMA(MSG, moved_all)
#undef THIS
/* clang-format on */

const struct schema *wire_schema(enum wire_type type)
{
    switch (type) {
#define M(no, name)   \
    case WIRE_##name: \
        return &schema_##name;
        WIRE_MESSAGES(M)
#undef M
    default:
        return NULL;
    }
}
