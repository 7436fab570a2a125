/* Any bytes as a model file: facts that hold together, or a sentence. */
#include <stddef.h>
#include <stdint.h>

#include "as_file.h"
#include "models/models.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gguf_facts facts = {0};
    struct fault f = {0};
    int err = gguf_read(as_file(data, size), &facts, &f);
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
