/* Serve the console, a page for browsers at `/` whose files are part of the program.
 *
 * The sources are in head/console/; the build compresses each file, and the assembler puts both
 * forms into the program. The page connects to no other host, which its Content-Security-Policy
 * enforces, and can do nothing that the API would not do for its key. */
#ifndef MANTA_HEAD_CONSOLE_H
#define MANTA_HEAD_CONSOLE_H

#include "http/http.h"

/* True if the client is a browser that opens a page, rather than a program that wants text. */
bool console_is_wanted(const struct http_request *r);
/* Answers with the file of the path ("/" is the page itself), compressed if the client accepts
 * gzip, or with 304 if its copy is current. Returns false, without an answer, if there is no such
 * file. */
bool console_reply(struct http_request *r);

#endif
