/* GET /manta/events: whoever keeps an eye on the head, such as the console, is told its state about once a second as server-sent events.
 *
 *     event: history    once: the last minutes' tokens/s, running and queued jobs
 *     event: state      what GET /manta/status and /manta/requests show that owner, without limits; at most WATCH_LISTED_MAX of each list
 *     event: log        a line of the log as JSON, for those who see everything
 *
 * The text of a state is made once for all watchers of one owner, in slices like a page, and belongs to nobody: a watcher takes 100 bytes and what
 * its connection has not sent. One that reads slowly is left out until it has read. All of them together get WATCH_BYTES_PER_S at most: when
 * a state is large and many watch, it comes less often. */
#ifndef MANTA_HEAD_WATCH_H
#define MANTA_HEAD_WATCH_H

#include "head/state.h"

enum {
    WATCHERS_MAX = 256,               /* the next one is refused: 503 */
    WATCH_EVERY_MS = 1000,
    WATCH_BYTES_PER_S = 4 << 20,
    WATCH_TEXT_BYTES_MAX = 4 << 20,   /* of one state; a larger one is not sent */
    WATCH_LISTED_MAX = 256,           /* workers, and actors */
    WATCH_SAMPLES = 300,              /* of the history, one a second */
    WATCH_LINES = 128,                /* of the log, for those who come later */
    WATCH_BYTES_MAX = WATCH_TEXT_BYTES_MAX + WATCH_LINES * (LOG_JSON_BYTES_MAX + 64) + WATCHERS_MAX * 256 + (32 << 10), /* connections apart */
};

/* Nobody watches yet. */
void watch_begin(struct head_program *p);
/* The program ends: after its loop. */
void watch_end(struct head_program *p);

/* Takes r in. */
void watch_ask(struct head_program *p, struct http_request *r, const struct owner *who);
/* Somebody who watched has gone. */
void watch_gone(struct head_program *p, struct asker *asker);
/* Ends all their streams in good order; they may come again at once, here or at the head that takes this one's place. */
void watch_dismiss(struct head_program *p);
/* A line of the log that watchers are to see. */
void watch_line(struct head_program *p, const struct fx *fx);

#endif
