/* Declare what the files of the echo engine share. echo.h documents the options. */
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
    int32_t *script;          /* owned; tokens of the script without the beginning-of-text token; its answers one after the other */
    uint32_t script_n;        /* number of answers in the script; 0: no script */
    uint32_t *script_ends;    /* owned; end of each answer in `script` */
    struct sequence *seqs;    /* owned; info.slots of them */
    struct engine_row *rows;  /* owned; rows of the last call */
    uint32_t rows_n;
    uint32_t decodes, draws;  /* so far, for the failure options */
    echo_sleep_fn *sleep_us;
    void *sleep_data;
};

/* echo_load.c; as in engine_ops */
int echo_probe(const struct engine_load *load, struct engine_needs *out, struct fault *f);
/* Makes the engine that the options in load->path describe. */
int echo_load(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
              struct fault *f);
/* NULL is allowed. */
void echo_free(struct engine *e);
/* echo_cut.c; as in engine_ops */
/* Returns whether the script contains tool calls. */
bool echo_calls(const struct engine *e);
/* Returns NULL if the answer is not cut. */
struct engine_guide *echo_guide_new(const struct engine *e, const struct request *r);
/* NULL is allowed. */
void echo_guide_free(struct engine_guide *g);
/* Advances the guide past a token that was drawn. */
int echo_guide_accept(struct engine_guide *g, int32_t token, struct fault *f);
/* Returns whether the guide cuts the answer into parts. */
bool echo_guide_cuts(const struct engine_guide *g);
/* Appends text to the answer and returns its new parts. */
int echo_guide_cut(struct engine_guide *g, struct str text, bool ended, struct engine_cut *out, struct fault *f);
/* Writes the text of a control token that delimits parts. */
int32_t echo_guide_piece(const struct engine_guide *g, int32_t token, char *out, int32_t cap);
/* Allocates and touches this much memory, in steps; it is never freed. */
void echo_eat(uint64_t bytes);

#endif
