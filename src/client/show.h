/* How things look: tags, sizes, errors; colour only on a terminal that wants it. Private to the room. */
#ifndef MANTA_CLIENT_SHOW_H
#define MANTA_CLIENT_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* "[PROMPT]", in colour on a terminal. Static, valid until the eighth call after it. */
const char *show_tag(const char *tag);
/* True when stdout is a terminal. */
bool show_on_terminal(void);
/* "[PROMPT] text" on stdout, one line. */
void show_said(const char *tag, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line on stdout, harmless; on a terminal broken between words. */
void show_wrapped(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* yaml.c: JSON on stdout, as it is, or as YAML (client_yaml()); on a terminal what this would obey is escaped. */
void show_json(struct str text);
void show_json_value(const json_t *v);
/* "error: …" on stderr, one line. */
void show_fault(const struct fault *f);

struct shown_size { char text[24]; };
/* "1.9 GB", "0" for nothing known. */
struct shown_size show_size(double bytes);

#endif
