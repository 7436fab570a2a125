#include "base/must.h"
#include "base/rng.h"
#include "engine/echo.h"

/* The words of answers. Some end within a UTF-8 character; then the word `half` must follow. */
static const struct word {
    const char *text;
    int half; /* index of the second half; -1: whole */
} words[] = {
    {"\xa9", -1},     {"\x99\x82", -1},      {" caf\xc3", 0}, {" \xf0\x9f", 1}, {" the", -1},   {" a", -1},
    {" sea", -1},     {" is", -1},           {" of", -1},     {" light", -1},   {" and", -1},   {" wings", -1},
    {" slow", -1},    {" deep", -1},         {".", -1},       {",", -1},        {" manta", -1}, {" rays", -1},
    {" glide", -1},   {"\n", -1},            {" warm", -1},   {" over", -1},    {" reef", -1},  {" water", -1},
    {" \xe6\xb0", 25}, {"\xb4", -1},
};
enum { WORDS = sizeof words / sizeof words[0] };

static const struct control {
    const char *text;
    int32_t token;
} controls[] = {{"<|end|>", ECHO_END}, {"<|begin|>", ECHO_BEGIN}};

uint32_t echo_vocab(void)
{
    return ECHO_WORDS + WORDS;
}

uint32_t echo_token_bytes_max(void)
{
    size_t longest = 1;
    for (size_t i = 0; i < WORDS; i++)
        longest = strlen(words[i].text) > longest ? strlen(words[i].text) : longest;
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        longest = strlen(controls[i].text) > longest ? strlen(controls[i].text) : longest;
    return (uint32_t)longest;
}

/* Returns the length of `word` if `text` begins with it, else 0. */
static size_t begins_with(struct str text, const char *word)
{
    size_t n = strlen(word);
    return text.n >= n && memcmp(text.p, word, n) == 0 ? n : 0;
}

static int32_t next_token(struct str text, bool special, size_t *out_n)
{
    for (size_t i = 0; special && i < sizeof controls / sizeof controls[0]; i++)
        if ((*out_n = begins_with(text, controls[i].text)) > 0)
            return controls[i].token;
    int32_t token = ECHO_BYTES + (uint8_t)text.p[0];
    *out_n = 1;
    for (int32_t i = 0; i < WORDS; i++) {
        size_t n = begins_with(text, words[i].text);
        if (n > *out_n || (n == 1 && *out_n == 1 && token < ECHO_WORDS)) {
            token = ECHO_WORDS + i;
            *out_n = n;
        }
    }
    return token;
}

int32_t echo_tokenize(struct str text, bool special, int32_t *out, int32_t cap)
{
    int32_t n = 0;
    size_t at = 0, step;
    if (!special || begins_with(text, "<|begin|>") == 0) {
        if (n < cap)
            out[n] = ECHO_BEGIN;
        n++;
    }
    for (; at < text.n; at += step, n++) {
        int32_t token = next_token(str_n(text.p + at, text.n - at), special, &step);
        if (n < cap)
            out[n] = token;
    }
    return n;
}

int32_t echo_count_mixed(const struct request *r)
{
    int32_t n = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < r->tokens_n; i++) {
        size_t bytes = r->tokens[i] < 0 ? input_marked(r->tokens[i]) : 0;
        int32_t those = r->tokens[i] >= 0 ? 1 : bytes > 0 || i == 0 ? echo_tokenize(str_n(r->text.p + at, bytes), true, NULL, 0) : 0;
        n += r->tokens[i] < 0 && i > 0 && those > 1 ? those - 1 : those; /* only the first text brings the token that begins a text */
        at += bytes;
    }
    return n;
}

int32_t echo_piece(int32_t token, char *out, int32_t cap)
{
    MUST(token >= 0 && (uint32_t)token < echo_vocab());
    if (token < ECHO_BYTES)
        return 0;
    char byte = (char)(uint8_t)(token - ECHO_BYTES);
    struct str piece = token < ECHO_WORDS ? str_n(&byte, 1) : str_of(words[token - ECHO_WORDS].text);
    int32_t n = piece.n < (size_t)cap ? (int32_t)piece.n : cap;
    memcpy(out, piece.p, (size_t)n);
    return n;
}

int32_t echo_word(int32_t last, uint64_t state, uint32_t k, bool whole)
{
    if (last >= ECHO_WORDS && words[last - ECHO_WORDS].half >= 0)
        return ECHO_WORDS + words[last - ECHO_WORDS].half;
    for (uint64_t turn = 0;; turn++) {
        int32_t i = (int32_t)(rng_at(state, k + (turn << 32)) % WORDS);
        bool is_half = words[i].half >= 0, is_other_half = ((uint8_t)words[i].text[0] & 0xc0) == 0x80;
        if (!is_other_half && !(whole && is_half))
            return ECHO_WORDS + i;
    }
}
