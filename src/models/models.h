/* Find the model file of a reference on this machine: its path, digest and facts.
 *
 * A reference is a path to a GGUF file, a name of the catalogue ("smollm2"), or an address:
 * reference.h has the forms. */
#ifndef MANTA_MODELS_MODELS_H
#define MANTA_MODELS_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct catalogue_entry {
    const char *name;     /* "smollm2" */
    const char *file;     /* file name in the repository and in the model folder */
    const char *hub;      /* "owner/repository" on the hub */
    const char *revision; /* commit in the repository, or "main" */
    uint64_t bytes;       /* 0: unknown until it has been downloaded */
    const char *sha256;   /* of the file, hex; NULL: unknown, the hub's own is taken at the first download */
    const char *licence;  /* SPDX name if there is one */
    const char *about;
};
/* Returns the catalogue; it ends with a NULL name. */
const struct catalogue_entry *models_catalogue(void);

/* Returns the memory a worker needs for the model, in whole GiB: weights, buffers, and some
 * thousand tokens of KV cache. */
uint64_t models_memory(const struct catalogue_entry *e);
/* Returns the best chat model of the catalogue that a worker can hold in half of free_bytes;
 * NULL when none is better than the default. */
const struct catalogue_entry *models_best_chat(uint64_t free_bytes);

struct model_file {
    char name[128];       /* the name for requests: the catalogue name, or the file name without .gguf */
    char path[1024];
    char digest[65];      /* SHA-256, hex */
    uint64_t bytes;
};
/* Writes the folder of models: MANTA_MODELS_DIR, else $XDG_CACHE_HOME/manta/models, else
 * ~/.cache/manta/models. Returns ERR_NOT_FOUND or ERR_TOO_LARGE with f filled. */
int models_dir(char *out, size_t cap, struct fault *f);
/* Checks that the reference may mean a model, on this machine or not: a file, a catalogue name, an
 * address. Returns ERR_NOT_FOUND with f, which names the nearest. */
int models_check(const char *reference, struct fault *f);
/* Finds the file and checks that it is a whole GGUF (magic, version, header, and that the
 * tensors lie inside the file); finds its digest (remembered in the user's cache folder, see
 * digest.h; a catalogue name's must be the catalogue's). Returns ERR_NOT_FOUND, ERR_MODEL,
 * ERR_IO, … with f filled; *out is untouched then. */
int models_resolve(const char *reference, struct model_file *out, struct fault *f);

/* ---- models that are not here yet ---- */

enum models_progress_kind {
    MODELS_WAITING,  /* another process downloads the same file */
    MODELS_STARTED,
    MODELS_RESUMED,  /* `done` bytes come from an earlier try */
    MODELS_LOADING,  /* up to ten times a second */
    MODELS_PAUSED,   /* `why` it failed; the next try starts after pause_ms */
    MODELS_CHECKING, /* all bytes have arrived */
    MODELS_DONE,
};
struct models_progress {
    enum models_progress_kind kind;
    const char *name;     /* as the person wrote it; borrowed for the call, like `why` */
    uint64_t done, total; /* bytes; total 0: unknown */
    uint64_t bytes_per_s; /* 0: unknown */
    uint32_t pause_ms;
    const char *why;
};
/* Writes one line about it, without a line end: "smollm2: 45.0 of 98.4 MB (46 %), 11.2 MB/s, 5 s
 * left". Returns buf. */
const char *models_progress_text(const struct models_progress *p, char *buf, size_t cap);

struct models_pull {
    bool offline;       /* download nothing; HF_HUB_OFFLINE=1 means the same */
    uint64_t bytes_max; /* largest file that is downloaded */
    uint32_t stall_s;   /* below 1 kB/s for this long, the connection is retried */
    void (*on_progress)(const struct models_progress *p, void *user_data); /* NULL: no callback */
    void *user_data;
};
/* Returns the defaults: online, 64 GB, 30 s. */
struct models_pull models_pull_default(void);
/* As models_resolve(), after downloading a missing file: once, even when several processes ask
 * for it at the same time. Blocks, for minutes when the model is large; call while the process
 * has one thread. Returns errors of models_resolve() and of download.h. */
int models_obtain(const char *reference, const struct models_pull *how, struct model_file *out, struct fault *f);

/* Facts from a GGUF's header, read without loading the model. */
struct gguf_facts {
    char architecture[64], name[128], quantisation[32];
    uint64_t context_length, tensors, tensor_bytes;
    uint64_t file_bytes;
    int has_template;
};
/* Reads the facts. Returns ERR_NOT_FOUND, ERR_IO, ERR_MODEL (not a GGUF, truncated, damaged, or
 * with numbers that no model has: f says which, with the numbers) or ERR_UNSUPPORTED (one part
 * of several); *out is untouched then. Allocates at most 320 KiB. */
int gguf_read(const char *path, struct gguf_facts *out, struct fault *f);

/* ---- files that an engine is known to load ---- */
/* Writes a digest of a file together with a text of the user, such as a chat template. */
void models_digest_with(const char *digest, const char *text, char out[65]);
/* Returns whether that engine (name, version, processor) has loaded the file of that digest on
 * this machine. A problem with the notes costs time, never correctness. */
bool models_proved(const char *digest, const char *engine);
/* Notes that the engine has loaded the file, or forgets it. */
void models_prove(const char *digest, const char *engine, bool well);
/* Looks up how that engine, with this many threads, was measured to compute that file exactly
 * (engine_info.setup). Returns false when it has not been measured. */
bool models_setup(const char *digest, const char *engine, uint32_t threads, char *out, size_t cap);
/* Notes how the engine computes that file exactly, for the next worker. */
void models_setup_note(const char *digest, const char *engine, uint32_t threads, const char *setup);

#endif
