/* Write llama-server's "prompt_progress", the progress of a prefill, for the dialects that report
 * it. */
#include "api/answer.h"

void api_write_progress(struct jout *j, const struct api_progress *p)
{
    jout_key(j, "prompt_progress");
    jout_object(j);
    jout_put_uint(j, "total", p->total);
    jout_put_uint(j, "cache", p->cached);
    jout_put_uint(j, "processed", p->done);
    jout_put_uint(j, "time_ms", (uint64_t)p->ms);
    jout_object_end(j);
}
