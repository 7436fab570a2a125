/* A folder of this process for the model file of a test. */
#ifndef MANTA_TESTS_GGUF_FOLDER_H
#define MANTA_TESTS_GGUF_FOLDER_H

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[48], file[64];

static inline int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, P_tmpdir "/manta-gguf-%d", (int)getpid());
    snprintf(file, sizeof file, "%s/m.gguf", folder);
    return mkdir(folder, 0700);
}

static inline int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

#endif
