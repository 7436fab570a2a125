#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { WORD_BYTES_MAX = 63 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edit distance in which two swapped neighbouring letters, a common typing error, count once. */
static size_t distance(const char *a, size_t a_n, const char *b, size_t b_n)
{
    size_t d[WORD_BYTES_MAX + 1][WORD_BYTES_MAX + 1];
    for (size_t i = 0; i <= a_n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b_n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a_n; i++) {
        for (size_t j = 1; j <= b_n; j++) {
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[a_n][b_n];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
    size_t word_n = strlen(word);
    const char *best = NULL;
    size_t best_distance = (word_n < 3 ? 3 : word_n) / 3 + 1;
    if (word_n > WORD_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t n_i = strlen(words[i]);
        if (n_i > WORD_BYTES_MAX)
            continue;
        size_t d = distance(word, word_n, words[i], n_i);
        if (d < best_distance) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}
