/* libllama's own words: words.c. */
#ifndef MANTA_ENGINE_LLAMA_WORDS_H
#define MANTA_ENGINE_LLAMA_WORDS_H

#ifdef __cplusplus
extern "C" {
#endif

/* libllama's log goes to us from now on. */
void words_init(void);
/* The last error libllama logged on this thread since words_forget(), one line; "" when none. */
const char *words_last(void);
/* What it said before does not count. */
void words_forget(void);
/* Something else that was said against it, as if libllama had logged it. */
void words_say(const char *text);
/* Somebody else's complaint, or `otherwise` where it has only inner names of the C++ library. */
const char *words_or(const char *text, const char *otherwise);

#ifdef __cplusplus
}
#endif
#endif
