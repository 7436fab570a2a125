/* Measure and limit the stack that tokenizing takes.
 *
 * Some vocabularies split texts with regular expressions that libllama runs with std::regex, which
 * recurses once per character of a match: 30,000 exclamation marks in a row take 8 MiB of stack,
 * and one more ends the process. The file does not tell which vocabularies do, so this is measured
 * when a model is loaded, and a stretch of text that would not fit the stack is refused. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/llama/module.h"

enum {
    STACK_BYTES = 8 << 20,  /* of the measuring thread */
    SAMPLE_CHARS = 4000,
    SAMPLE_MEMORY = 64 << 20, /* some tokenizers do not terminate with an incomplete vocabulary */
    SAMPLE_CPU_MS = 1000,
    PLAIN_BYTES = 24,       /* stack per character without recursion; pages are counted whole */
    SPARE_BYTES = 256 << 10, /* stack for everything that does not grow with a text */
};

/* Each kind of character that such expressions distinguish, and changes between them. */
static const char *const samples[] = {"!", " ", "a", "A", "1", "\n", "\xe6\xb0\xb4", "\xc3\xa9", "\xd9\x85", "\xf0\x9f\xa6\x8a", "e\xcc\x81",
                                      "Aa", "aA", "!\n", " \n", "\t ", "$+", "'s"};

struct sample {
    struct engine *engine;
    const char *piece;
};

static void *tokenize_sample(void *arg)
{
    const struct sample *s = arg;
    struct engine_tokens tokens = {0};
    size_t n = strlen(s->piece), bytes = n * SAMPLE_CHARS;
    char *text = xalloc(bytes);
    for (size_t at = 0; at < bytes; at += n)
        memcpy(text + at, s->piece, n);
    text_tokenize(s->engine, str_n(text, bytes), 0, &(struct engine_bounds){.memory_bytes = SAMPLE_MEMORY, .cpu_ms = SAMPLE_CPU_MS}, &tokens, NULL);
    free(tokens.p);
    free(text);
    return NULL;
}

/* Returns the bytes of stack that a sample touches. Uses a stack of our own, because mincore()
 * tells which of its pages were touched. */
static size_t stack_touched(struct sample *s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = STACK_BYTES / page, touched = 0;
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned char *resident = xalloc(pages);
    pthread_attr_t attr;
    pthread_t thread;
    MUST(stack != MAP_FAILED);
    pthread_attr_init(&attr);
    MUST(pthread_attr_setstack(&attr, stack, STACK_BYTES) == 0);
    MUST(pthread_create(&thread, &attr, tokenize_sample, s) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    MUST(mincore(stack, STACK_BYTES, resident) == 0);
    for (size_t i = 0; i < pages; i++)
        touched += resident[i] & 1;
    munmap(stack, STACK_BYTES);
    free(resident);
    return touched * page;
}

uint32_t depth_measure(struct engine *e)
{
    size_t most = 0;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        size_t touched = stack_touched(&(struct sample){.engine = e, .piece = samples[i]});
        most = touched > most ? touched : most;
    }
    size_t each = most / SAMPLE_CHARS;
    return each > PLAIN_BYTES ? (uint32_t)(each + each / 2) : 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Returns the characters of the longest stretch that one match may cover: a word without white
 * space, and the white space around it. */
static size_t longest_stretch(struct str text)
{
    size_t before = 0, word = 0, space = 0, longest = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (((uint8_t)text.p[i] & 0xc0) == 0x80)
            continue;
        if (is_space(text.p[i])) {
            space++;
        } else if (space > 0) {
            longest = before + word + space > longest ? before + word + space : longest;
            before = space;
            word = 1;
            space = 0;
        } else {
            word++;
        }
    }
    return before + word + space > longest ? before + word + space : longest;
}

/* Returns the free bytes of this thread's stack. */
static size_t stack_left(void)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes;
    const char here = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return 0;
    pthread_attr_getstack(&attr, &low, &bytes);
    pthread_attr_destroy(&attr);
    size_t left = (size_t)((uintptr_t)&here - (uintptr_t)low);
    return left > SPARE_BYTES ? left - SPARE_BYTES : 0;
}

int depth_check(const struct engine *e, struct str text, const struct engine_bounds *bounds, struct fault *f)
{
    if (e->stack_each == 0 || text.n * e->stack_each < SPARE_BYTES)
        return 0;
    size_t left = stack_left(), stretch = longest_stretch(text);
    if (bounds != NULL && bounds->memory_bytes > 0 && bounds->memory_bytes < left)
        left = (size_t)bounds->memory_bytes;
    if (stretch <= left / e->stack_each)
        return 0;
    return fault_set(f, ERR_TOO_LARGE, "the prompt has a stretch of %zu characters without a break between words, this model's tokenizer "
                     "takes %zu at most: break it up", stretch, left / e->stack_each);
}
