/* Small questions about text that HTTP asks again and again. */
#ifndef MANTA_HTTP_TEXT_H
#define MANTA_HTTP_TEXT_H

#include "base/str.h"

/* Without blanks and tabs around it. */
struct str str_trim(struct str s);
/* Equal but for the case of ASCII letters. */
bool str_is_nocase(struct str s, const char *cstr);
/* Cuts the part before `sep` (or all of it) off *rest. */
struct str str_cut(struct str *rest, char sep);
/* True when `token` is in a comma-separated list, whatever the case of its letters. */
bool str_lists(struct str list, const char *token);

#endif
