/* Any bytes as a model file: facts that hold together, or a sentence. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"
#include "models/models.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* gguf_read wants a path: a file in memory has one */
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("gguf", MFD_CLOEXEC);
        MUST(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    MUST(ftruncate(fd, (off_t)size) == 0);
    MUST(pwrite(fd, data, size, 0) == (ssize_t)size);

    struct gguf_facts facts = {0};
    struct fault f = {0};
    int err = gguf_read(path, &facts, &f);
    MUST(err == f.err);
    if (err) {
        MUST(err == ERR_MODEL || err == ERR_UNSUPPORTED);
        MUST(f.text[0] != '\0');
    } else {
        MUST(facts.file_bytes == size);
        MUST(facts.tensors > 0 && facts.tensors < size);
        MUST(facts.architecture[0] != '\0');
    }
    return 0;
}
