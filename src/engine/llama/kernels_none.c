/* Where libllama is an installed one, nothing can be told to its kernels. */
#include "engine/llama/kernels.h"

bool kernels_hold(ggml_threadpool_t pool)
{
    (void)pool;
    return false;
}

void kernels_release(ggml_threadpool_t pool)
{
    (void)pool;
}

bool kernels_planted(void)
{
    return false;
}
