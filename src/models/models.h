/* Model references -> a file on this machine, its digest, and what it is.
 *
 * A reference is a path to a GGUF file, a name of the catalogue ("smollm2"), or an address: reference.h has the forms. */
#ifndef MANTA_MODELS_MODELS_H
#define MANTA_MODELS_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct catalogue_entry {
    const char *name;     /* "smollm2" */
    const char *file;     /* its name in the repository and in the model folder */
    const char *hub;      /* "owner/repository" on the hub */
    const char *revision; /* commit there, or "main" */
    uint64_t bytes;       /* 0: not known until it has been downloaded */
    const char *sha256;   /* of the file, hex; NULL: not known, the hub's own is taken at the first download */
    const char *licence;  /* SPDX name where there is one */
    const char *about;
};
/* The catalogue; ends with name NULL. */
const struct catalogue_entry *models_catalogue(void);

/* Memory that a worker needs for it, in whole GiB: weights, buffers, and some thousand tokens of KV cache. */
uint64_t models_memory(const struct catalogue_entry *e);
/* The chat model that answers best of those of the catalogue a worker has room for, when so much memory is free and half of it is to stay free; NULL:
 * none is better than the default. */
const struct catalogue_entry *models_best_chat(uint64_t free_bytes);

struct model_file {
    char name[128];       /* what requests select it by: the catalogue name, or the file name without .gguf */
    char path[1024];
    char digest[65];      /* SHA-256, hex */
    uint64_t bytes;
};
/* Where models live: MANTA_MODELS_DIR, else $XDG_CACHE_HOME/manta/models, else ~/.cache/manta/models. */
int models_dir(char *out, size_t cap, struct fault *f);
/* Finds the file, checks that it is a whole GGUF (magic, version, header, and that the tensors lie inside the file),
 * and its digest (remembered in the user's cache folder, see digest.h; a catalogue name's must be the catalogue's).
 * ERR_NOT_FOUND, ERR_MODEL, ERR_IO, … with what was wrong in f; *out is untouched then. */
int models_resolve(const char *reference, struct model_file *out, struct fault *f);

/* ---- models that are not here yet ---- */

enum models_progress_kind {
    MODELS_WAITING,  /* another process downloads the same file */
    MODELS_STARTED,
    MODELS_RESUMED,  /* `done` bytes are here from an earlier try */
    MODELS_LOADING,  /* up to ten times a second */
    MODELS_PAUSED,   /* `why` it failed; the next try follows in pause_ms */
    MODELS_CHECKING, /* all bytes are here */
    MODELS_DONE,
};
struct models_progress {
    enum models_progress_kind kind;
    const char *name;     /* as the person wrote it; this and `why` are borrowed for the call */
    uint64_t done, total; /* bytes; total 0: not announced */
    uint64_t bytes_per_s; /* 0: not known yet */
    uint32_t pause_ms;
    const char *why;
};
/* One line about it, without its end: "smollm2: 45.0 of 98.4 MB (46 %), 11.2 MB/s, 5 s left". Returns buf. */
const char *models_progress_text(const struct models_progress *p, char *buf, size_t cap);

struct models_pull {
    bool offline;       /* download nothing; HF_HUB_OFFLINE=1 means the same */
    uint64_t bytes_max; /* largest file taken */
    uint32_t stall_s;   /* less than 1 kB/s for this long: the connection is tried anew */
    void (*on_progress)(const struct models_progress *p, void *user_data); /* NULL: nobody wants to know */
    void *user_data;
};
/* Online, 64 GB, 30 s. */
struct models_pull models_pull_default(void);
/* As models_resolve(), and what is not here is downloaded first: once, also when several processes ask for it at the same
 * time. Blocks, for minutes when the model is large; to be called while the process has one thread. Errors of models_resolve()
 * and of download.h. */
int models_obtain(const char *reference, const struct models_pull *how, struct model_file *out, struct fault *f);

/* A few facts from a GGUF's header, without loading it. */
struct gguf_facts {
    char architecture[64], name[128], quantisation[32];
    uint64_t context_length, tensors, tensor_bytes;
    uint64_t file_bytes;
    int has_template;
};
/* ERR_NOT_FOUND, ERR_IO, ERR_MODEL (not a GGUF, truncated, damaged, or with numbers that no model has: f says which, with the
 * numbers), ERR_UNSUPPORTED (one part of several). *out is untouched then. Allocates 256 KiB at most. */
int gguf_read(const char *path, struct gguf_facts *out, struct fault *f);

/* ---- files that an engine is known to load ---- */
/* That engine (name, version, processor) has loaded the file of that digest on this machine. A problem with the notes costs
 * time, never an answer. */
bool models_proved(const char *digest, const char *engine);
/* Notes that it has, or forgets it. */
void models_prove(const char *digest, const char *engine, bool well);
/* How that engine, with so many threads, was measured to compute that file exactly (engine_info.setup); false: not yet. */
bool models_setup(const char *digest, const char *engine, uint32_t threads, char *out, size_t cap);
/* Remembers how that model computes exactly here, for the next worker. */
void models_setup_note(const char *digest, const char *engine, uint32_t threads, const char *setup);

#endif
