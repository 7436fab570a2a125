/* State why a child ended, in one sentence: its own words without the rest of the log line. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "launch/launch.h"

/* The sentence of a log line: without "12:01:07.123 [TAG] error: " in front and the event behind,
 * or the message of a JSON line. */
static const char *sentence_of(const char *line, char out[LOG_JSON_BYTES_MAX])
{
    unsigned h, m, s, ms;
    int n = 0;
    json_t *j = line[0] == '{' ? json_loads(line, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(j, "text"));
    struct str sentence = text != NULL ? str_of(text) : str_n(line, event_begins(str_of(line)));
    sentence = utf8_head(sentence, LOG_JSON_BYTES_MAX - 1);
    memcpy(out, sentence.p, sentence.n);
    out[sentence.n] = '\0';
    json_decref(j);
    line = out;
    if (sscanf(line, "%2u:%2u:%2u.%3u %n", &h, &m, &s, &ms, &n) == 4 && n > 0)
        line += n;
    const char *tag_end = line[0] == '[' ? strstr(line, "] ") : NULL;
    line = tag_end != NULL ? tag_end + 2 : line;
    return strncmp(line, "error: ", 7) == 0 ? line + 7 : line;
}

/* Moves forward to the start of a UTF-8 character. */
static const char *char_at(const char *at)
{
    while (((unsigned char)*at & 0xc0) == 0x80)
        at++;
    return at;
}

void launch_reason(struct fault *f, const char *name, const char *how, const char *line)
{
    enum { HEAD = 120, CUT_BYTES = 12 }; /* " ... ", and the bytes lost to whole characters */
    char sentence[LOG_JSON_BYTES_MAX];
    const char *words = sentence_of(line, sentence);
    size_t n = strlen(words), room = sizeof f->text - 1;
    size_t frame = strlen(name) + strlen(how) + strlen(" : ");
    if (n == 0)
        fault_set(f, ERR_FAILED, "%s %s", name, how);
    else if (frame + n <= room)
        fault_set(f, ERR_FAILED, "%s %s: %s", name, how, words);
    else
        fault_set(f, ERR_FAILED, "%s %s: %.*s ... %s", name, how, (int)(char_at(words + HEAD) - words), words,
                  char_at(words + n - (room - frame - HEAD - CUT_BYTES)));
}
