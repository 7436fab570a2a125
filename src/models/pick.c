/* Choose the file of a repository that a quantisation means. */
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "models/hub.h"

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Returns whether the word is in the name: "Q4_K" is in "pet-Q4_K.gguf", not in
 * "pet-Q4_K_M.gguf" nor in "petQ4_K". */
static bool has_word(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = name; (p = strcasestr(p, word)) != NULL; p++)
        if ((p == name || (!is_letter_or_digit(p[-1]) && p[-1] != '_')) && !is_letter_or_digit(p[n]) && p[n] != '_')
            return true;
    return false;
}

/* Recognises "…-00001-of-00003.gguf". */
static bool is_part(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of != NULL && of - name >= 5 && strspn(of - 5, "0123456789") == 5 && strspn(of + 4, "0123456789") == 5;
}

/* Returns whether the file has a model's weights: not a vision projector (mmproj), and not a
 * quantiser's statistics (imatrix). */
static bool is_model(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0 && strcasestr(name, "mmproj") == NULL && strcasestr(name, "imatrix") == NULL;
}

static int find(const char *const *names, size_t n, const char *word)
{
    int found = -1;
    for (size_t i = 0; i < n; i++) {
        if (!is_model(names[i]) || !has_word(reference_basename(names[i]), word))
            continue;
        if (!is_part(names[i]))
            return (int)i;
        found = -2;
    }
    return found;
}

int hub_pick(const char *const *names, size_t n, const char *quant)
{
    static const char *const usual[] = {"Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0", "F16", "BF16", "F32"};
    if (quant[0] != '\0')
        return find(names, n, quant);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        int found = find(names, n, usual[i]);
        if (found != -1)
            return found;
    }
    for (size_t i = 0; i < n; i++)
        if (is_model(names[i]))
            return is_part(names[i]) ? -2 : (int)i;
    return -1;
}
