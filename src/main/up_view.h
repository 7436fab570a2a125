/* The view of a start on a terminal, instead of log lines: one line of progress, then a box with
 * the next steps. */
#ifndef MANTA_MAIN_UP_VIEW_H
#define MANTA_MAIN_UP_VIEW_H

#include "base/log.h"
#include "base/str.h"
#include "client/client.h"
#include "settings/settings.h"

enum { UP_VIEW_KEPT = 20 };  /* log lines shown after a failure */

struct up_view {
    bool on;                    /* stderr is a terminal, and log lines were not requested */
    bool escapes, colours;      /* capabilities of the terminal */
    int fd;                     /* the terminal, opened separately: writes never block, also after Ctrl-S; -1: no line of progress */
    bool standing;              /* the line of progress is on the terminal, unfinished */
    uint64_t start_us;
    char shown[256];            /* that line */
    char *kept[UP_VIEW_KEPT];   /* owned; a ring */
    unsigned kept_n;            /* lines ever added */
};

/* A ready cluster, as shown in the box. */
struct up_facts {
    const char *address;        /* of the head */
    const char *log;            /* path; NULL: none */
    const struct client_news *news;
    bool prompt;                /* a prompt follows */
    bool detached;              /* it continues in the background */
    bool key;                   /* clients need a key */
    bool toy;                   /* the model is the small default, not the user's choice */
};

void up_view_init(struct up_view *v, const struct settings *s);
void up_view_fini(struct up_view *v);
/* True if a line of that level is shown now; then clears the line of progress for it. */
bool up_view_lets(struct up_view *v, enum log_level level);
/* Stores a line of the child `who`. */
void up_view_keep(struct up_view *v, const char *who, struct str line);
/* Redraws the line of progress if it has changed. `workers`, `actors`: expected numbers; news NULL:
 * the head does not answer yet. */
void up_view_progress(struct up_view *v, const struct client_news *news, unsigned workers, unsigned actors);
/* Clears the line of progress. */
void up_view_clear(struct up_view *v);
void up_view_box(struct up_view *v, const struct up_facts *f);
/* After a failure: prints the stored lines, which show the reason. */
void up_view_fail(struct up_view *v);

#endif
