/* Keep the errors that libllama logs, for the fault of the call that failed. */
#ifndef MANTA_ENGINE_LLAMA_LLAMA_LOG_H
#define MANTA_ENGINE_LLAMA_LLAMA_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/* libllama's log goes to us from now on. */
void llama_log_init(void);
/* The last error libllama logged on this thread since llama_log_forget(), one line; "" when none. */
const char *llama_log_last(void);
/* What it said before does not count. */
void llama_log_forget(void);
/* Something else that was said against it, as if libllama had logged it. */
void llama_log_say(const char *text);
/* Somebody else's complaint, or `otherwise` where it has only inner names of the C++ library. */
const char *llama_log_or(const char *text, const char *otherwise);

#ifdef __cplusplus
}
#endif
#endif
