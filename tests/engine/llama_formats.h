/* Files of other weight formats for tests of the llama module, made from the fixture moe-tiny: MANTA_TEST_FIXTURES is its folder,
 * MANTA_QUANTIZE the program (fixtures/quantize.c). */
#ifndef MANTA_TESTS_ENGINE_LLAMA_FORMATS_H
#define MANTA_TESTS_ENGINE_LLAMA_FORMATS_H

#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FORMATS_PATH_BYTES = 512,
    FORMATS_VOCABULARY = 4097, /* tokens of moe-tiny */
};

extern char **environ;

static inline const char *formats_setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL || value[0] == '\0') {
        fprintf(stderr, "set %s\n", name);
        exit(2);
    }
    return value;
}

/* Writes the model in that format; `path` says where, and the caller unlinks it. */
static inline void formats_make(const char *format, char path[FORMATS_PATH_BYTES])
{
    char from[FORMATS_PATH_BYTES];
    const char *program = formats_setting("MANTA_QUANTIZE"), *tmp = getenv("TMPDIR");
    snprintf(from, sizeof from, "%s/moe-tiny.gguf", formats_setting("MANTA_TEST_FIXTURES"));
    snprintf(path, FORMATS_PATH_BYTES, "%s/manta-%d-%s.gguf", tmp != NULL ? tmp : "/tmp", (int)getpid(), format);
    const char *argv[] = {program, from, path, format, NULL};
    pid_t pid;
    int status = -1;
    if (posix_spawn(&pid, program, NULL, NULL, (char **)(uintptr_t)argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "%s cannot write %s as %s\n", program, from, format);
        exit(2);
    }
}

#endif
