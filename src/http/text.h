/* Small text functions for HTTP. */
#ifndef MANTA_HTTP_TEXT_H
#define MANTA_HTTP_TEXT_H

#include "base/str.h"

/* Returns s without surrounding blanks and tabs. */
struct str str_trim(struct str s);
/* Returns whether both are equal, ignoring the case of ASCII letters. */
bool str_is_nocase(struct str s, const char *cstr);
/* Returns the part of *rest before `sep` (or all of it), and removes it from *rest with the
 * separator. */
struct str str_cut(struct str *rest, char sep);
/* Returns whether `token` is in a comma-separated list, ignoring case. */
bool str_lists(struct str list, const char *token);

#endif
