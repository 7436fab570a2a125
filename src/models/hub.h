/* The model hub: its address, its token, and what it says of a repository. Private to the room.
 *
 * As its own tools: HF_ENDPOINT is another hub or a mirror; HF_TOKEN, or the file that HF_TOKEN_PATH names, or
 * $HF_HOME/token, or ~/.cache/huggingface/token holds the token; HF_HUB_OFFLINE=1 means not to ask. */
#ifndef MANTA_MODELS_HUB_H
#define MANTA_MODELS_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "models/reference.h"
#include "models/transfer.h"

enum { HUB_TOKEN_BYTES = 512, HUB_ANSWER_BYTES_MAX = 4 << 20, HUB_FILES_MAX = 4096 };

/* Where the reference's file is: r->file is not empty. ERR_INVALID: HF_ENDPOINT is no web address. */
int hub_url(const struct reference *r, char out[TRANSFER_URL_BYTES], struct fault *f);
/* The token for that address, or empty: other hosts than the hub's get none, nor an address without encryption. */
void hub_token(const char *url, char out[HUB_TOKEN_BYTES]);
/* Asks which files the repository has, and fills r->file (and r->sha256, where none was given) with the one that r->quant
 * names. ERR_NOT_FOUND: none fits, with those there are; ERR_AUTH, ERR_NET, … */
int hub_choose(struct reference *r, uint32_t stall_s, struct fault *f);
/* The part of it that reads the hub's answer, the list of files. Pure. */
int hub_read(struct reference *r, struct str json, const char *url, struct fault *f);
/* An answer that is not 2xx, in words. */
int hub_refusal(const char *url, const struct transfer_head *head, bool token, struct fault *f);
/* True when the environment forbids to ask the hub. */
bool hub_offline(void);

/* Which of n file names the quantisation means: the index, -1 for none, -2 for one in several parts, which manta does not
 * join. Empty: Q4_K_M, else the usual ones down to the first there is. Pure. */
int hub_pick(const char *const *names, size_t n, const char *quant);

#endif
