/* The one table of errors: number, name, exit status, HTTP status, API error type, plain words.
 *
 * Functions return 0 or one of these, negative. The same numbers travel on the worker link, so
 * entries are only ever added at the end. */
#ifndef MANTA_BASE_ERR_H
#define MANTA_BASE_ERR_H

#include <stdint.h>

/*   name          no  exit  http  api type                     in plain words */
#define ERR_TABLE(E)                                                                                   \
    E(ERR_FAILED, 1, 1, 500, "server_error", "it failed")                                              \
    E(ERR_USAGE, 2, 2, 400, "invalid_request_error", "wrong usage")                                    \
    E(ERR_INVALID, 3, 2, 400, "invalid_request_error", "invalid input")                                \
    E(ERR_NOT_FOUND, 4, 1, 404, "not_found_error", "not found")                                        \
    E(ERR_TOO_LARGE, 5, 1, 413, "invalid_request_error", "larger than its limit")                      \
    E(ERR_CONTEXT, 6, 1, 400, "exceed_context_size_error", "prompt longer than the model's context")   \
    E(ERR_AUTH, 7, 3, 401, "authentication_error", "missing or wrong key")                             \
    E(ERR_BUSY, 8, 1, 429, "rate_limit_error", "queue full")                                           \
    E(ERR_UNAVAILABLE, 9, 4, 503, "unavailable_error", "nobody there to answer")                       \
    E(ERR_TIMEOUT, 10, 4, 504, "timeout_error", "took longer than its deadline")                       \
    E(ERR_CANCELLED, 11, 130, 499, "cancelled", "cancelled by the client")                             \
    E(ERR_IO, 12, 1, 500, "server_error", "reading or writing failed")                                 \
    E(ERR_NET, 13, 4, 502, "unavailable_error", "network failure")                                     \
    E(ERR_PROTOCOL, 14, 1, 400, "invalid_request_error", "not the protocol that was expected")         \
    E(ERR_VERSION, 15, 1, 426, "invalid_request_error", "versions do not match")                       \
    E(ERR_MEMORY, 16, 5, 507, "server_error", "does not fit into memory")                              \
    E(ERR_MODEL, 17, 6, 500, "server_error", "model file unusable")                                    \
    E(ERR_WORKER_LOST, 18, 1, 502, "unavailable_error", "the worker was lost")                         \
    E(ERR_UNSUPPORTED, 19, 1, 400, "not_supported_error", "not supported")                             \
    E(ERR_IN_USE, 20, 1, 409, "invalid_request_error", "already in use")                               \
    E(ERR_METHOD, 21, 1, 405, "invalid_request_error", "method not allowed")                           \
    E(ERR_FORBIDDEN, 22, 3, 403, "permission_error", "not allowed")                                    \
    E(ERR_POISON, 23, 1, 422, "invalid_request_error", "it crashes the workers that compute it") \
    E(ERR_ENCODING, 24, 1, 415, "invalid_request_error", "not an encoding that is taken") \
    E(ERR_FORM, 25, 1, 400, "invalid_request_error", "an answer cannot be held to that form") \
    E(ERR_TOOLS, 26, 1, 400, "invalid_request_error", "an answer cannot be held to those tools")

enum err {
    ERR_OK = 0,
#define E(name, no, exit_status, http, type, text) name = -(no),
    ERR_TABLE(E)
#undef E
    ERR_LAST = ERR_TOOLS,
};

/* Returns the plain words of `err`; never NULL, even for an unknown number. */
const char *err_text(int err);
/* Returns the name, as "ERR_CONTEXT"; never NULL. */
const char *err_name(int err);
/* Returns the process exit status for `err`: 0 for ERR_OK, 1 for unknown errors. */
int err_exit(int err);
/* Returns the HTTP status for `err`: 200 for ERR_OK, 500 for unknown errors. */
int err_http(int err);
/* Returns the OpenAI-style error "type". */
const char *err_api_type(int err);

/* An error with a sentence: what was tried, what was wrong, what would be right. */
struct fault {
    int err;        /* 0 or an enum err */
    char text[480]; /* terminated; empty while err is 0 */
    uint32_t count, limit; /* counted amount and its limit, for programs; fault_set() makes both 0: unknown */
    uint32_t wait_s; /* pause before the next try that the refusing side asks for; 0, as fault_set() leaves it: none
                        given */
};

/* Fills f (NULL is allowed) and returns err, so that `return fault_set(f, ERR_INVALID, "…")`
 * works. The sentence becomes one line of printable characters. When it is too long, the middle
 * of its longest 'quotation' is cut out, or else the middle of the sentence: its beginning says
 * what was tried, its end what would be right. */
int fault_set(struct fault *f, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
