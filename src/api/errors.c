/* Write error bodies and their sentences, in the format that OpenAI's SDKs read. */
#include <stdarg.h>
#include <stdio.h>

#include "api/refuse.h"
#include "json/write.h"

int api_refuse(struct api_error *e, int err, const char *param, const char *fmt, ...)
{
    char sentence[sizeof e->fault.text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    *e = (struct api_error){0};
    snprintf(e->param, sizeof e->param, "%s", param);
    return fault_set(&e->fault, err, "%s%s%s", param, *param != '\0' ? ": " : "", sentence);
}

void api_path(char out[API_PATH_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out, API_PATH_BYTES, fmt, ap);
    va_end(ap);
}

/* Returns OpenAI's code, if the error's type is not specific enough for programs. */
static const char *code_of(int err)
{
    switch (err) {
    case ERR_AUTH: return "invalid_api_key";
    case ERR_CONTEXT: return "context_length_exceeded";
    case ERR_POISON: return "request_crashes_workers";
    default: return NULL;
    }
}

/* `code` NULL: the default code of the error, if any. */
static void write_error(struct jout *j, const struct fault *f, const char *param, const char *code)
{
    code = code != NULL ? code : code_of(f->err);
    jout_object(j);
    jout_key(j, "error");
    jout_object(j);
    jout_put_cstr(j, "message", f->text[0] != '\0' ? f->text : err_text(f->err));
    jout_put_cstr(j, "type", err_api_type(f->err));
    jout_key(j, "param");
    if (*param != '\0')
        jout_str(j, str_of(param));
    else
        jout_null(j);
    jout_key(j, "code");
    if (code != NULL)
        jout_str(j, str_of(code));
    else
        jout_null(j);
    if (f->err == ERR_CONTEXT && f->limit > 0) { /* for llama-server's clients */
        jout_put_uint(j, "n_prompt_tokens", f->count);
        jout_put_uint(j, "n_ctx", f->limit);
    }
    jout_object_end(j);
    jout_object_end(j);
}

void api_write_error(struct buf *out, const struct api_error *e)
{
    struct jout j = jout_to(out);
    write_error(&j, &e->fault, e->param, e->code);
}

void api_write_fault(struct buf *out, const struct fault *f)
{
    struct jout j = jout_to(out);
    write_error(&j, f, "", NULL);
}

/* openai-python raises APIError on any event with "error", at any point of the stream. */
void api_write_sse_error(struct buf *out, const struct fault *f)
{
    buf_puts(out, "data: ");
    api_write_fault(out, f);
    buf_puts(out, "\n\n");
}
