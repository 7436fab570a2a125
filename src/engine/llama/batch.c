/* Run rows, and keep the cells of the sequences.
 *
 * One decode becomes one libllama call for all sequences with one row, and one call for each
 * sequence with several rows. libllama would split a mixed batch into pieces with equally many rows
 * per sequence: a chunk of 64 rows beside decoding streams would become 1 + 63, which is one more
 * pass over the weights, and falls below the 64 rows from which flash attention works in tiles.
 * Sequences with one row are passed in rising order and with small gaps bridged (join.h), because
 * libllama computes only neighbouring slots together. The logits of the last call stay where
 * libllama put them; those of earlier calls are copied. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "engine/llama/guard.h"
#include "engine/llama/module.h"

void batch_open(struct engine *e)
{
    e->batch = llama_batch_init((int32_t)e->info.batch_rows_max, 0, 1);
    e->row_logits = xalloc_array(BATCH_ROWS_MAX, sizeof *e->row_logits);
}

void batch_close(struct engine *e)
{
    if (e->row_logits == NULL)
        return;
    llama_batch_free(e->batch);
    free(e->row_logits);
    free(e->kept);
}

static void add_row(struct engine *e, const struct engine_row *row)
{
    int32_t i = e->batch.n_tokens++;
    e->batch.token[i] = row->token;
    e->batch.pos[i] = row->position;
    e->batch.n_seq_id[i] = 1;
    e->batch.seq_id[i][0] = (llama_seq_id)row->seq;
    e->batch.logits[i] = row->want;
}

static const char *decode_words(int32_t result)
{
    if (result == 1)
        return "no free cells in the KV cache";
    return llama_log_last()[0] != '\0' ? llama_log_last() : "libllama failed";
}

static int run(struct engine *e, struct fault *f)
{
    llama_log_forget();
    int32_t result = guard_decode(e->ctx, e->batch);
    if (result == 0)
        return 0;
    return fault_set(f, result == GUARD_NO_MEMORY ? ERR_MEMORY : ERR_FAILED, "decoding %d rows: %s", e->batch.n_tokens, decode_words(result));
}

/* Stores where the wanted rows' logits are; indices[i] is the caller's number of batch row i. */
static void find_logits(struct engine *e, const uint32_t *indices)
{
    for (int32_t i = 0; i < e->batch.n_tokens; i++) {
        if (e->batch.logits[i])
            e->row_logits[indices[i]] = llama_get_logits_ith(e->ctx, i);
    }
}

/* Copies the logits of the batch's wanted rows, because the next call overwrites them. */
static void keep_logits(struct engine *e, const uint32_t *indices, uint32_t *inout_kept)
{
    size_t vocab = e->info.vocab;
    for (int32_t i = 0; i < e->batch.n_tokens; i++) {
        if (!e->batch.logits[i])
            continue;
        float *to = e->kept + vocab * (*inout_kept)++;
        memcpy(to, e->row_logits[indices[i]], vocab * sizeof *to);
        e->row_logits[indices[i]] = to;
    }
}

/* A decode being prepared. */
struct plan {
    const struct engine_row *rows;
    uint32_t rows_n;
    uint32_t count[ENGINE_SLOTS_MAX]; /* rows per sequence */
    uint32_t single[ENGINE_SLOTS_MAX]; /* for sequences with one row: its index */
    uint32_t singles;                 /* sequences with one row */
    uint32_t chunk_wants;             /* wanted rows of the other sequences */
};

static struct plan plan_make(const struct engine *e, const struct engine_row *rows, uint32_t rows_n)
{
    struct plan p = {.rows = rows, .rows_n = rows_n};
    MUST(rows_n > 0 && rows_n <= e->info.batch_rows_max);
    for (uint32_t i = 0; i < rows_n; i++) {
        MUST(rows[i].seq < e->info.slots);
        p.count[rows[i].seq]++;
        p.single[rows[i].seq] = i;
    }
    for (uint32_t i = 0; i < rows_n; i++)
        p.chunk_wants += p.count[rows[i].seq] > 1 && rows[i].want;
    for (uint32_t seq = 0; seq < e->info.slots; seq++)
        p.singles += p.count[seq] == 1;
    return p;
}

static int run_chunk(struct engine *e, const struct plan *p, uint32_t seq, bool last, uint32_t *inout_kept,
                     struct fault *f)
{
    uint32_t indices[BATCH_ROWS_MAX];
    e->batch.n_tokens = 0;
    for (uint32_t i = 0; i < p->rows_n; i++) {
        if (p->rows[i].seq != seq)
            continue;
        indices[e->batch.n_tokens] = i;
        add_row(e, &p->rows[i]);
    }
    int err = run(e, f);
    if (err != 0)
        return err;
    find_logits(e, indices);
    if (!last)
        keep_logits(e, indices, inout_kept);
    return 0;
}

/* Returns the number of cells a sequence holds. */
static int32_t held(const struct engine *e, uint32_t seq)
{
    return llama_memory_seq_pos_max(e->memory, (llama_seq_id)seq) + 1;
}

/* Adds rows of the idle slots in [from, to). Refuses a slot that is deeper than all others, because it would
 * lengthen attention for the whole group. The rows have no logits, so they need no entry in
 * indices. */
static bool bridge(struct engine *e, uint32_t from, uint32_t to, int32_t deepest)
{
    for (uint32_t seq = from; seq < to; seq++)
        if (held(e, seq) > deepest || held(e, seq) >= (int32_t)e->info.context)
            return false;
    for (uint32_t seq = from; seq < to; seq++)
        add_row(e, &(struct engine_row){.position = held(e, seq), .seq = seq});
    return true;
}

/* Fills the batch with the sequences of one row, bridging small gaps. indices[i] is the caller's
 * number of batch row i. Returns the number of groups of neighbours. */
static uint32_t fill_singles(struct engine *e, const struct plan *p, uint32_t *indices)
{
    uint32_t groups = 0, gap_max = join_gap_max(&e->join), next = 0; /* the slot after the last one in the batch */
    int32_t deepest = 0;
    for (uint32_t seq = 0; seq < e->info.slots; seq++)
        if (p->count[seq] == 1 && held(e, seq) > deepest)
            deepest = held(e, seq);
    e->batch.n_tokens = 0;
    for (uint32_t seq = 0; seq < e->info.slots; seq++) {
        if (p->count[seq] != 1)
            continue;
        uint32_t gap = seq - next;
        if (groups == 0 || (gap > 0 && (gap > gap_max || !bridge(e, next, seq, deepest))))
            groups++;
        indices[e->batch.n_tokens] = p->single[seq];
        add_row(e, &p->rows[p->single[seq]]);
        next = seq + 1;
    }
    return groups;
}

/* Cuts the bridging rows off again; if the call failed, undo() does the same for the other rows. */
static void cut_bridges(struct engine *e, const struct plan *p)
{
    for (int32_t i = 0; i < e->batch.n_tokens; i++)
        if (p->count[e->batch.seq_id[i][0]] != 1)
            llama_memory_seq_rm(e->memory, e->batch.seq_id[i][0], e->batch.pos[i], -1);
}

static int run_singles(struct engine *e, const struct plan *p, struct fault *f)
{
    uint32_t indices[ENGINE_SLOTS_MAX];
    uint32_t groups = fill_singles(e, p, indices);
    uint64_t start_us = clock_us();
    int err = run(e, f);
    if (err == 0) {
        join_saw(&e->join, groups, (uint32_t)e->batch.n_tokens, clock_us() - start_us);
        find_logits(e, indices);
    }
    cut_bridges(e, p);
    return err;
}

static void make_room(struct engine *e, uint32_t rows)
{
    if (rows <= e->kept_rows)
        return;
    free(e->kept);
    e->kept = xalloc_array((size_t)rows * e->info.vocab, sizeof *e->kept);
    e->kept_rows = rows;
}

/* The first calls of a decode may have succeeded: resets every sequence to its former length. */
static void undo(struct engine *e, const struct plan *p)
{
    for (uint32_t i = p->rows_n; i-- > 0;)
        llama_memory_seq_rm(e->memory, (llama_seq_id)p->rows[i].seq, p->rows[i].position, -1);
}

static void copy(struct engine *e, llama_seq_id src, llama_seq_id dst)
{
    enum guard_copy copied = e->copied != GUARD_TORN ? guard_seq_copy(e->memory, src, dst) : GUARD_TORN;
    if (copied != GUARD_COPIED)
        e->copied = copied;
}

static int copy_fault(struct engine *e, struct fault *f)
{
    if (e->copied == GUARD_COPIED)
        return 0;
    if (e->copied == GUARD_TORN)
        return fault_set(f, ERR_MEMORY, "copying the beginning of a prompt failed halfway for lack of memory: restart the "
                                        "worker to load this model again");
    e->copied = GUARD_COPIED;
    return fault_set(f, ERR_MEMORY, "copying the beginning of a prompt: this worker has no memory left");
}

int batch_decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f)
{
    struct plan p = plan_make(e, rows, rows_n);
    memset(e->row_logits, 0, BATCH_ROWS_MAX * sizeof *e->row_logits);
    make_room(e, p.chunk_wants);
    uint32_t kept = 0, left = rows_n;
    int err = copy_fault(e, f);
    for (uint32_t seq = 0; seq < e->info.slots && err == 0; seq++) {
        if (p.count[seq] <= 1)
            continue;
        left -= p.count[seq];
        err = run_chunk(e, &p, seq, left == 0, &kept, f);
    }
    if (err == 0 && p.singles != 0)
        err = run_singles(e, &p, f);
    if (err != 0)
        undo(e, &p);
    return err;
}

void batch_seq_trim(struct engine *e, uint32_t seq, int32_t from)
{
    llama_memory_seq_rm(e->memory, (llama_seq_id)seq, from, -1);
}

void batch_seq_copy(struct engine *e, uint32_t src, uint32_t dst, int32_t upto)
{
    if (src != dst)
        copy(e, (llama_seq_id)src, (llama_seq_id)dst);
    batch_seq_trim(e, dst, upto);
}
