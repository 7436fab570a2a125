/* Serve GET /manta/events: send the head's state to watchers, such as the console, about once a
 * second, as server-sent events.
 *
 *     event: history    once: tokens/s, running and queued jobs of the last minutes
 *     event: state      what GET /manta/status and /manta/requests show this owner, without limits;
 *                       at most WATCH_LISTED_MAX entries per list
 *     event: log        a log line as JSON, for owners who see everything
 *
 * The text of a state is made once for all watchers of one owner, in slices like a page. A watcher
 * costs its record (at most 256 bytes) and the unsent bytes of its connection. A slow watcher is
 * skipped until it has read. All watchers together receive at most WATCH_BYTES_PER_S: large states
 * for many watchers come less often. */
#ifndef MANTA_HEAD_WATCH_H
#define MANTA_HEAD_WATCH_H

#include "head/state.h"

enum {
    WATCHERS_MAX = 256,               /* the next one is refused: 503 */
    WATCH_EVERY_MS = 1000,
    WATCH_BYTES_PER_S = 4 << 20,
    WATCH_TEXT_BYTES_MAX = 4 << 20,   /* of one state; a larger one is not sent */
    WATCH_LISTED_MAX = 256,           /* workers, and actors */
    WATCH_SAMPLES = 300,              /* of the history, one per second */
    WATCH_LINES = 128,                /* log lines kept for later watchers */
    WATCH_BYTES_MAX = WATCH_TEXT_BYTES_MAX + WATCH_LINES * (LOG_JSON_BYTES_MAX + 64) + WATCHERS_MAX * 256 + (32 << 10), /* without connections */
};

/* At the program's start: no watchers. */
void watch_begin(struct head_program *p);
/* At the program's end, after its loop. */
void watch_end(struct head_program *p);

/* Makes the request's client a watcher. */
void watch_ask(struct head_program *p, struct http_request *r, const struct owner *who);
/* A watcher disconnected. */
void watch_gone(struct head_program *p, struct asker *asker);
/* Ends all watchers' streams; the clients may reconnect at once, here or at the new head. */
void watch_dismiss(struct head_program *p);
/* Adds a log line for watchers. */
void watch_line(struct head_program *p, const struct fx *fx);

#endif
