/* The models manta knows by name. scripts/fetch brings them; its pins and these must be the same. */
#include "models/models.h"

static const struct catalogue_entry entries[] = {
    {
        .name = "smollm2",
        .file = "SmolLM2-135M-Instruct.Q4_1.gguf",
        .bytes = 98362432,
        .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        .licence = "Apache-2.0",
        .about = "SmolLM2 135M Instruct, Q4_1: small enough for any laptop, chats in English",
    },
    {.name = NULL},
};

const struct catalogue_entry *models_catalogue(void)
{
    return entries;
}
