/* Write the answer of /v1/embeddings: a vector per input, as numbers or as base64 of little-endian
 * floats. */
#include <math.h>
#include <stdlib.h>

#include "api/answer.h"
#include "api/readers.h"
#include "base/alloc.h"
#include "base/must.h"

/* Encodes three bytes as four characters. A float has four bytes, so groups cross its borders. */
static void write_base64(struct jout *j, const unsigned char *p, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf *b = j->buf;
    buf_putc(b, '"');
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        char group[4] = {letters[v >> 18], letters[v >> 12 & 63], i + 1 < n ? letters[v >> 6 & 63] : '=',
                         i + 2 < n ? letters[v & 63] : '='};
        buf_add(b, group, sizeof group);
    }
    buf_putc(b, '"');
    j->comma = true;
}

/* Returns the factor that normalises a cut vector: cosine distances would not need it, but dot products
 * do. */
static float scale_of(const struct api_vector *v, uint32_t n)
{
    if (n == v->n)
        return 1;
    double square = 0;
    for (uint32_t i = 0; i < n; i++)
        square += (double)v->p[i] * (double)v->p[i];
    return square > 0 ? (float)(1 / sqrt(square)) : 0;
}

void api_write_numbers(struct jout *j, const struct api_vector *v, uint32_t dimensions)
{
    uint32_t n = dimensions > 0 ? dimensions : v->n;
    MUST(n <= v->n);
    float scale = scale_of(v, n);
    jout_array(j);
    for (uint32_t i = 0; i < n; i++)
        jout_float(j, v->p[i] * scale);
    jout_array_end(j);
}

static void write_vector(struct jout *j, const struct api_vector *v, uint32_t dimensions, bool base64)
{
    uint32_t n = dimensions > 0 ? dimensions : v->n;
    MUST(n <= v->n);
    float scale = scale_of(v, n);
    jout_key(j, "embedding");
    if (!base64) {
        api_write_numbers(j, v, dimensions);
        return;
    }
    float *scaled = xalloc_array(n, sizeof *scaled);
    for (uint32_t i = 0; i < n; i++)
        scaled[i] = v->p[i] * scale;
    write_base64(j, (const unsigned char *)scaled, n * sizeof *scaled);
    free(scaled);
}

void api_write_embeddings(struct buf *out, const struct api_head *h, const struct api_vector *vectors, uint32_t n,
                          uint32_t dimensions, bool base64, const struct api_usage *u)
{
    struct jout j = jout_to(out);
    jout_object(&j);
    jout_put_cstr(&j, "object", "list");
    jout_key(&j, "data");
    jout_array(&j);
    for (uint32_t i = 0; i < n; i++) {
        jout_object(&j);
        jout_put_cstr(&j, "object", "embedding");
        jout_put_uint(&j, "index", i);
        write_vector(&j, &vectors[i], dimensions, base64);
        if (vectors[i].ids != NULL)
            api_write_ids(&j, "prompt_token_ids", vectors[i].ids, vectors[i].ids_n);
        jout_object_end(&j);
    }
    jout_array_end(&j);
    jout_put_str(&j, "model", h->model);
    jout_key(&j, "usage");
    jout_object(&j);
    jout_put_uint(&j, "prompt_tokens", u->prompt_tokens);
    jout_put_uint(&j, "total_tokens", u->prompt_tokens);
    jout_object_end(&j);
    jout_object_end(&j);
}

/* ---- the table ---- */

static int parse(struct str body, struct api_call *out, struct api_error *e)
{
    return api_parse_own(API_EMBEDDINGS, body, out, e);
}

static void write_whole(struct buf *out, const struct api_whole *w)
{
    api_write_embeddings(out, w->head, w->vectors, w->n, w->call->dimensions, w->call->base64, &w->usage);
}

const struct api_dialect api_dialect_embeddings = {
    .id_prefix = "embd-", .vectors = true, .parse = parse, .idle = api_write_idle_comment, .fault = api_write_stream_fault,
    .answer = write_whole, .error = api_write_error_body, .models = api_write_models, .model = api_write_model,
};
