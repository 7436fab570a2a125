/* libllama logs to one global callback. Nothing is printed; the first error of each thread since
 * llama_log_forget() is kept, so that the fault of a failed call can contain libllama's reason.
 * MANTA_TRACE=llama prints everything.
 *
 * Parts of llama.cpp write to standard error directly, some of it text from clients (grammars,
 * schemas). The linker redirects these calls to __wrap_fprintf (cmake/llama.cmake, --wrap), which
 * treats them as log lines. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/llama/module.h"

static _Thread_local char last[WORDS_BYTES_MAX];
static bool trace;

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '~';
}

/* Returns the length of a prefix like "llama_model_load: ", "std::vector::at: " or "model.cpp:123:
 * ": the name of a function or file, and the separator. 0: there is none. */
static size_t inner_name(const char *p)
{
    size_t n = 0;
    bool inner = false;
    while (is_name_char(p[n]) || p[n] == '.' || p[n] == '-' || p[n] == '/') {
        inner = inner || p[n] == '_' || (p[n] == ':' && p[n + 1] == ':') || (p[n] == '.' && (p[n + 1] == 'c' || p[n + 1] == 'h'));
        n++;
    }
    return inner && n > 1 && p[n - 1] == ':' && p[n] == ' ' ? n + 1 : 0;
}

/* Messages with only names of the C++ library ("map::at", "stoi", "basic_string::…") do not help a
 * user. */
static bool is_inner(const char *text)
{
    static const char *const whole[] = {"stoi", "stol", "stoll", "stoul", "stoull", "stof", "stod", "stold", ""};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (strcmp(text, whole[i]) == 0)
            return true;
    return strstr(text, "std::") != NULL || strstr(text, "_M_") != NULL || strstr(text, "::at") != NULL ||
           strncmp(text, "basic_string", 12) == 0 || strncmp(text, "vector::", 8) == 0 || strncmp(text, "regex_error", 11) == 0;
}

const char *llama_log_or(const char *text, const char *otherwise)
{
    return is_inner(text) ? otherwise : text;
}

/* Copies text without the names of functions and source files. */
static void leave_names_out(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    bool quoted = false, begins = true; /* at the beginning of a sentence, or of a part of one */
    while (*text != '\0' && n + 1 < cap) {
        size_t skip = begins && !quoted ? inner_name(text) : 0;
        if (skip > 0) {
            text += skip;
            continue;
        }
        quoted ^= *text == '\'';
        begins = *text == ' ' && n > 0 && (out[n - 1] == ':' || out[n - 1] == ' ');
        out[n++] = *text++;
    }
    out[n] = '\0';
}

/* "llama_model_load: error loading model: unknown …
 * " -> "error loading model: unknown …" */
static void keep(const char *text)
{
    char line[WORDS_BYTES_MAX];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    leave_names_out(line, last, sizeof last);
    if (line[0] != '\0' && llama_log_or(last, NULL) == NULL)
        snprintf(last, sizeof last, "the file is not as the library expects it");
}

static void hear(enum ggml_log_level level, const char *text, void *user_data)
{
    (void)user_data;
    if (trace)
        log_raw(text, strcspn(text, "\n"));
    /* "failed to load model" and the like say less than the first error, which names the cause */
    if (level == GGML_LOG_LEVEL_ERROR && last[0] == '\0')
        keep(text);
}

/* ggml would print by itself, and might block. abort() follows, and with it the crash report and its
 * stack. */
static void on_abort(const char *message)
{
    log_raw(message, strlen(message));
}

int __wrap_fprintf(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap___fprintf_chk(FILE *to, int flag, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int write_or_hear(FILE *to, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static int write_or_hear(FILE *to, const char *fmt, va_list args)
{
    char text[WORDS_BYTES_MAX];
    if (to != stderr)
        return vfprintf(to, fmt, args);
    int n = vsnprintf(text, sizeof text, fmt, args);
    hear(GGML_LOG_LEVEL_ERROR, text, NULL);
    return n;
}

int __wrap_fprintf(FILE *to, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = write_or_hear(to, fmt, args);
    va_end(args);
    return n;
}

int __wrap___fprintf_chk(FILE *to, int flag, const char *fmt, ...)
{
    va_list args;
    (void)flag;
    va_start(args, fmt);
    int n = write_or_hear(to, fmt, args);
    va_end(args);
    return n;
}

void llama_log_init(void)
{
    ggml_set_abort_callback(on_abort);
    log_init();
    trace = log_traces("llama");
    llama_log_set(hear, NULL);
}

const char *llama_log_last(void)
{
    return last;
}

void llama_log_say(const char *text)
{
    if (last[0] == '\0')
        keep(text);
}

void llama_log_forget(void)
{
    last[0] = '\0';
}
