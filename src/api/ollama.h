/* Ollama's dialects: the parser's side of ollama.c. */
#ifndef MANTA_API_OLLAMA_H
#define MANTA_API_OLLAMA_H

#include "api/dialect.h"

/* ollama_in.c: `parse` of POST /api/chat … */
int api_ollama_chat_parse(struct str body, struct api_call *out, struct api_error *e);
/* … of POST /api/generate … */
int api_ollama_generate_parse(struct str body, struct api_call *out, struct api_error *e);
/* … of POST /api/embed … */
int api_ollama_embed_parse(struct str body, struct api_call *out, struct api_error *e);
/* … and of POST /api/embeddings, its predecessor. */
int api_ollama_embeddings_parse(struct str body, struct api_call *out, struct api_error *e);

#endif
