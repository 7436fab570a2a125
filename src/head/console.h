/* The console: a page for browsers at `/`, whose files are part of the program.
 *
 * The files lie in head/console/ as they were written; the build compresses each, and the assembler puts both forms into the program. The page
 * asks nobody but this head, which its Content-Security-Policy holds it to, and does nothing that the API would not do for its key. */
#ifndef MANTA_HEAD_CONSOLE_H
#define MANTA_HEAD_CONSOLE_H

#include "http/http.h"

/* True: whoever sent it is a browser that opens a page, and not a program that wants text. */
bool console_is_wanted(const struct http_request *r);
/* Answers with the file that the path names ("/" is the page itself), compressed where the client takes that; 304 where it has it.
 * False: there is no such file, and r is not answered. */
bool console_reply(struct http_request *r);

#endif
