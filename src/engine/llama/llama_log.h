/* Keep the errors that libllama logs, for the fault of the call that failed. */
#ifndef MANTA_ENGINE_LLAMA_LLAMA_LOG_H
#define MANTA_ENGINE_LLAMA_LLAMA_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/* Redirects libllama's log to this file. */
void llama_log_init(void);
/* Returns the first error that libllama logged on this thread since llama_log_forget(), one line; "" if
 * none. */
const char *llama_log_last(void);
/* Forgets earlier errors. */
void llama_log_forget(void);
/* Records an error of another source, as if libllama had logged it. */
void llama_log_say(const char *text);
/* Returns text, an error message of a library, or `otherwise` if text has only internal names of
 * the C++ library. */
const char *llama_log_or(const char *text, const char *otherwise);

#ifdef __cplusplus
}
#endif
#endif
