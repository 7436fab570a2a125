/* What the tests of the dialects compare: a text that was read, and bytes that were written. After cmocka.h. */
#ifndef MANTA_TESTS_API_STORY_H
#define MANTA_TESTS_API_STORY_H

#include <string.h>

#include "base/buf.h"

static inline void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.n, strlen(expected));
    assert_memory_equal(s.p, expected, s.n);
}

/* The buffer is empty afterwards. */
static inline void assert_out(struct buf *b, const char *expected)
{
    assert_string_equal(buf_cstr(b), expected);
    buf_reset(b);
}

#endif
