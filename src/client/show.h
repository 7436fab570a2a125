/* Terminal output: tags, sizes, errors; colour only on a terminal that supports it. Private to the
 * room. */
#ifndef MANTA_CLIENT_SHOW_H
#define MANTA_CLIENT_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Returns "[PROMPT]", in colour on a terminal. Static, valid for the next seven calls. */
const char *show_tag(const char *tag);
/* True if stdout is a terminal. */
bool show_on_terminal(void);
/* Prints "[PROMPT] text" on stdout, one line. */
void show_said(const char *tag, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints a line on stdout, made safe to print; on a terminal wrapped between words. */
void show_wrapped(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* yaml.c: prints JSON on stdout, unchanged or as YAML (client_yaml()); on a terminal, control
 * characters are escaped. */
void show_json(struct str text);
void show_json_value(const json_t *v);
/* Prints harmless text of any number of lines on stdout, behind `at` columns that are written; on a terminal wrapped between words. */
void show_paragraphs(struct str text, unsigned at);
/* Returns whether stdout takes no more: its reader has left (`| head`), or a write has failed. */
bool show_has_no_reader(void);
/* Prints "error: …" on stderr, one line; on a terminal wrapped between words. */
void show_fault(const struct fault *f);

struct shown_size { char text[24]; };
/* Formats a size: "1.9 GiB", "0 bytes". */
struct shown_size show_size(double bytes);

#endif
