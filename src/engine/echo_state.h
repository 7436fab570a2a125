/* What the files of the echo engine share. echo.h has the manual. */
#ifndef MANTA_ENGINE_ECHO_STATE_H
#define MANTA_ENGINE_ECHO_STATE_H

#include "engine/echo.h"

struct sequence {
    int32_t *tokens; /* owned; room for context */
    uint32_t n;
};

struct engine {
    struct engine_info info;
    struct echo_options options;
    char *path;               /* owned; options.script points into it */
    int32_t *script;          /* owned; tokens of the script, without the beginning-of-text token; one answer behind the other */
    uint32_t script_n;        /* answers it has; 0: there is none */
    uint32_t *script_ends;    /* owned; where in `script` each of them ends */
    struct sequence *seqs;    /* owned; info.slots of them */
    struct engine_row *rows;  /* owned; the last call's */
    uint32_t rows_n;
    uint32_t decodes, draws;  /* so far, for the failure knobs */
    echo_sleep_fn *sleep_us;
    void *sleep_data;
};

/* echo_load.c; as in engine_ops */
int echo_probe(const struct engine_load *load, struct engine_needs *out, struct fault *f);
/* Makes the engine that the script of load->path describes. */
int echo_load(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
              struct fault *f);
/* NULL is fine. */
void echo_free(struct engine *e);
/* echo_cut.c; as in engine_ops */
/* Does its script call tools? */
bool echo_calls(const struct engine *e);
/* NULL: the answer is not cut. */
struct engine_guide *echo_guide_new(const struct engine *e, const struct request *r);
/* NULL is fine. */
void echo_guide_free(struct engine_guide *g);
/* The token was drawn: the guide continues behind it. */
int echo_guide_accept(struct engine_guide *g, int32_t token, struct fault *f);
/* It cuts the answer into parts. */
bool echo_guide_cuts(const struct engine_guide *g);
/* What parts the whole text has so far. */
int echo_guide_cut(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f);
/* A token's text as the guide sees it. */
int32_t echo_guide_piece(const struct engine_guide *g, int32_t token, char *out, int32_t cap);
/* Takes and touches so much memory, never to give it back. */
void echo_eat(uint64_t bytes);

#endif
