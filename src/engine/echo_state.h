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
    int32_t *script;          /* owned; tokens of the script, without the beginning-of-text token */
    uint32_t script_n;
    struct sequence *seqs;    /* owned; info.slots of them */
    struct engine_row *rows;  /* owned; the last call's */
    uint32_t rows_n;
    uint32_t decodes, draws;  /* so far, for the failure knobs */
    echo_sleep_fn *sleep_us;
    void *sleep_data;
};

/* echo_load.c; as in engine_ops */
int echo_probe(const struct engine_load *load, struct engine_needs *out, struct fault *f);
int echo_load(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
              struct fault *f);
void echo_free(struct engine *e);
/* Takes and touches so much memory, never to give it back. */
void echo_eat(uint64_t bytes);

#endif
