/* Where the file of a reference lies on this machine, and the small notes beside it.
 *
 *     <models>/SmolLM2-….gguf                      of the catalogue
 *     <models>/owner/repo[@revision]/some.gguf     of the hub
 *     <models>/web/<hash of the address>/some.gguf of elsewhere
 *
 * Beside a file that was downloaded: some.gguf.sha256, as sha256sum writes it, says which bytes it had then. While it is
 * downloaded: some.gguf.part and some.gguf.part.from; some.gguf.lock keeps two from downloading it at once. In a repository's
 * folder .pick-Q4_K_M says which file the hub named for that quantisation. */
#ifndef MANTA_MODELS_STORE_H
#define MANTA_MODELS_STORE_H

#include <stdbool.h>

#include "models/digest.h"
#include "models/folders.h"
#include "models/reference.h"

enum { STORE_PATH_BYTES = FOLDER_BYTES + HUB_FILE_BYTES + 2 * HUB_NAME_BYTES };

/* The path for the reference's file, whether it is there or not; r->file is not empty and r is no path. ERR_TOO_LARGE, … of
 * models_dir(). */
int store_path(const struct reference *r, char out[STORE_PATH_BYTES], struct fault *f);
/* Fills r->file from the hub's answer of an earlier day. False: it is not known here. */
bool store_recall_pick(struct reference *r);
/* Remembers r->file for r->quant; a failure costs one question to the hub. */
void store_remember_pick(const struct reference *r);
/* The digest the file had when it was downloaded; false when nothing (or nothing that can be read) says so. */
bool store_pinned(const char *path, char out[DIGEST_BYTES]);
/* ERR_IO. */
int store_pin(const char *path, const char *digest, struct fault *f);
/* The same file in the cache that the hub's own tools keep ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub). False:
 * it is not there. */
bool store_in_hub_cache(const struct reference *r, char out[STORE_PATH_BYTES]);

#endif
