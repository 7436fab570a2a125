#include "lab/judge.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool agree(struct str a, struct str b)
{
    size_t n = least(JUDGE_AGREE_BYTES, least(a.n, b.n));
    return (n == JUDGE_AGREE_BYTES || a.n == b.n) && (n == 0 || memcmp(a.p, b.p, n) == 0);
}

static size_t common(struct str a, struct str b)
{
    size_t n = least(a.n, b.n), i = 0;
    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

/* Finds the shortest step over the difference at which both begin: how many bytes of the twin, how
 * many of the received text. */
static bool step(struct str twin, struct str got, size_t *out_twin, size_t *out_got)
{
    for (size_t n = 1; n <= twin.n || n <= got.n; n++) {
        bool more = n <= got.n && agree(twin, str_behind(got, n)), less = n <= twin.n && agree(str_behind(twin, n), got);
        bool other = n <= got.n && n <= twin.n && agree(str_behind(twin, n), str_behind(got, n));
        *out_twin = more ? 0 : n;
        *out_got = more || !less ? n : 0;
        if (more || less || other)
            return true;
    }
    return false;
}

struct judge_bytes judge_text(struct str twin, struct str got)
{
    struct judge_bytes b = {0};
    struct str whole = got;
    size_t twin_n, got_n;
    bool first = true;
    for (;;) {
        size_t same = common(twin, got);
        twin = str_behind(twin, same);
        got = str_behind(got, same);
        if (first)
            b.at = same;
        first = false;
        if (got.n == 0) { /* the rest of the twin, if any, is missing */
            b.lost += twin.n;
            return b;
        }
        if (!step(twin, got, &twin_n, &got_n)) {
            b.changed += twin.n > got.n ? twin.n : got.n;
            return b;
        }
        size_t before = (size_t)(got.p - whole.p);
        if (got_n == 0)
            b.lost += twin_n;
        else if (twin_n == 0 && memmem(whole.p, before, got.p, got_n) != NULL)
            b.duplicated += got_n;
        else
            b.changed += got_n;
        twin = str_behind(twin, twin_n);
        got = str_behind(got, got_n);
    }
}

static bool same_facts(const struct answer *a, const struct answer *b)
{
    return a->told == b->told && a->proof == b->proof && a->prompt_tokens == b->prompt_tokens &&
           a->completion_tokens == b->completion_tokens && strcmp(a->finish, b->finish) == 0;
}

struct judgement judge_answer(const struct answer *twin, const struct answer *got, bool stops, bool exact)
{
    struct judgement j = {.bytes = judge_text(buf_str(&twin->text), buf_str(&got->text)), .error = got->refused, .malformed = got->malformed};
    if (!answer_is_whole(got)) {
        j.lost = true;
        j.why = got->why[0] != '\0' ? got->why : "it ended without its end";
        return j;
    }
    /* Tokens of a stop string that was met are counted but not sent; an end token that released
     * held-back text is sent but not counted. */
    bool stopped = stops && strcmp(got->finish, "stop") == 0 && got->told <= got->completion_tokens + 1;
    if (got->told != got->completion_tokens && !stopped) {
        j.malformed = true;
        j.why = got->told < got->completion_tokens ? "fewer tokens were told than counted" : "more tokens were told than counted";
        return j;
    }
    uint64_t bytes = j.bytes.lost + j.bytes.duplicated + j.bytes.changed;
    bool same_length = twin->completion_tokens == got->completion_tokens && strcmp(twin->finish, got->finish) == 0;
    if (!exact && (j.bytes.changed > 0 || !same_length))
        j.bytes = (struct judge_bytes){.changed = bytes, .at = j.bytes.at};
    j.lost = j.bytes.lost > 0;
    j.changed = bytes > 0 || !same_facts(twin, got);
    if (bytes > 0)
        j.why = j.bytes.lost > 0 ? "bytes are missing" : j.bytes.duplicated > 0 ? "bytes came twice" : "bytes are others";
    else if (j.changed)
        j.why = "the text is the same; tokens, log-probabilities, counts or the reason of the end are not";
    return j;
}
