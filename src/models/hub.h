/* The model hub: its address, its token, and the files of a repository. Private to the room.
 *
 * The environment works as for the hub's own tools: HF_ENDPOINT is another hub or a mirror;
 * HF_TOKEN, or the file that HF_TOKEN_PATH names, or $HF_HOME/token, or ~/.cache/huggingface/token
 * holds the token; HF_HUB_OFFLINE=1 forbids requests. */
#ifndef MANTA_MODELS_HUB_H
#define MANTA_MODELS_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "models/reference.h"
#include "models/transfer.h"

enum { HUB_TOKEN_BYTES = 512, HUB_ANSWER_BYTES_MAX = 4 << 20, HUB_FILES_MAX = 4096 };

/* Writes the URL of the reference's file; r->file is not empty. Returns ERR_INVALID when
 * HF_ENDPOINT is not a web address. */
int hub_url(const struct reference *r, char out[TRANSFER_URL_BYTES], struct fault *f);
/* Writes the token for that URL; empty for other hosts than the hub's, and for a URL without
 * encryption except on loopback. */
void hub_token(const char *url, char out[HUB_TOKEN_BYTES]);
/* Asks for the files of the repository, and fills r->file (and r->sha256, if not given) with the
 * one that r->quant names. Returns ERR_NOT_FOUND, with the existing files, when none fits;
 * ERR_AUTH, ERR_NET, … */
int hub_choose(struct reference *r, uint32_t stall_s, struct fault *f);
/* The part of hub_choose() that reads the hub's answer, the list of files. Pure. */
int hub_read(struct reference *r, struct str json, const char *url, struct fault *f);
/* Turns an answer other than 2xx into a fault. */
int hub_refusal(const char *url, const struct transfer_head *head, bool token, struct fault *f);
/* Returns whether the environment forbids asking the hub. */
bool hub_offline(void);

/* Returns the index of the file name that the quantisation means; -1 for none, -2 for one in
 * several parts, which manta does not join. quant empty: Q4_K_M, else the first of the usual
 * ones. Pure. */
int hub_pick(const char *const *names, size_t n, const char *quant);

#endif
