/* libllama logs to one global callback. Nothing of it is printed; the last error of each thread is kept, so that the
 * fault of a failed load can say libllama's reason. MANTA_TRACE=llama prints everything, for the curious. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/llama/module.h"

static _Thread_local char last[WORDS_BYTES_MAX];
static bool trace;

/* "llama_model_load: error loading model: unknown …\n" -> "error loading model: unknown …" */
static void keep(const char *text)
{
    const char *colon = strstr(text, ": ");
    size_t head = colon != NULL ? (size_t)(colon - text) : 0;
    if (head != 0 && memchr(text, ' ', head) == NULL)
        text = colon + 2;
    size_t n = strcspn(text, "\n");
    if (n == 0)
        return;
    snprintf(last, sizeof last, "%.*s", (int)(n < sizeof last ? n : sizeof last - 1), text);
}

static void hear(enum ggml_log_level level, const char *text, void *user_data)
{
    (void)user_data;
    if (trace)
        log_raw(text, strcspn(text, "\n"));
    /* "failed to load model" and the like say less than the first complaint, which names the cause */
    if (level == GGML_LOG_LEVEL_ERROR && last[0] == '\0')
        keep(text);
}

void words_init(void)
{
    log_init();
    trace = log_traces("llama");
    llama_log_set(hear, NULL);
}

const char *words_last(void)
{
    return last;
}

void words_forget(void)
{
    last[0] = '\0';
}
