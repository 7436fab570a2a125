/* The place of a reference's file on this machine, and the small notes beside it.
 *
 *     <models>/SmolLM2-….gguf                      of the catalogue
 *     <models>/owner/repo[@revision]/some.gguf     of the hub
 *     <models>/web/<hash of the address>/some.gguf of elsewhere
 *
 * Beside a downloaded file: some.gguf.sha256, in the format of sha256sum, holds the digest of its
 * bytes at the download. During the download: some.gguf.part and some.gguf.part.from;
 * some.gguf.lock keeps two processes from downloading at once. In a repository's folder
 * .pick-Q4_K_M names the file that the hub chose for that quantisation. */
#ifndef MANTA_MODELS_STORE_H
#define MANTA_MODELS_STORE_H

#include <stdbool.h>

#include "models/digest.h"
#include "models/folders.h"
#include "models/reference.h"

enum { STORE_PATH_BYTES = FOLDER_BYTES + HUB_FILE_BYTES + 2 * HUB_NAME_BYTES };

/* Writes the path for the reference's file, whether it exists or not; r->file is not empty and r
 * is not a path. Returns ERR_TOO_LARGE, or errors of models_dir(). */
int store_path(const struct reference *r, char out[STORE_PATH_BYTES], struct fault *f);
/* Fills r->file from an earlier answer of the hub. Returns false when there is none. */
bool store_recall_pick(struct reference *r);
/* Remembers r->file for r->quant; a failure costs one request to the hub. */
void store_remember_pick(const struct reference *r);
/* Reads the digest that the file had when it was downloaded. Returns false when there is no
 * readable note. */
bool store_pinned(const char *path, char out[DIGEST_BYTES]);
/* Writes that note. Returns ERR_IO. */
int store_pin(const char *path, const char *digest, struct fault *f);
/* Finds the file in the cache of the hub's own tools ($HF_HUB_CACHE, $HF_HOME/hub,
 * ~/.cache/huggingface/hub). Returns false when it is not there. */
bool store_in_hub_cache(const struct reference *r, char out[STORE_PATH_BYTES]);

#endif
