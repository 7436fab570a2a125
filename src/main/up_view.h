/* What a person at a terminal sees of a start, in place of log lines: one line that says how far it is, then a box with what to do next. */
#ifndef MANTA_MAIN_UP_VIEW_H
#define MANTA_MAIN_UP_VIEW_H

#include "base/log.h"
#include "base/str.h"
#include "client/client.h"
#include "settings/settings.h"

enum { UP_VIEW_KEPT = 20 };  /* lines of the log that a failure shows */

struct up_view {
    bool on;                    /* stderr is a terminal, and nobody asked for the log lines */
    bool escapes, colours;      /* that the terminal knows and wants */
    int fd;                     /* the terminal, opened anew: it never waits, also after Ctrl-S; -1: no line of progress */
    bool standing;              /* the line of progress is on the terminal, without an end */
    uint64_t start_us;
    char shown[256];            /* that line */
    char *kept[UP_VIEW_KEPT];   /* owned; a ring */
    unsigned kept_n;            /* ever */
};

/* A ready cluster, as the box describes it. */
struct up_facts {
    const char *address;        /* of the head */
    const char *log;            /* path; NULL: there is none */
    const struct client_news *news;
    bool prompt;                /* a prompt follows */
    bool detached;              /* it runs on in the background */
    bool key;                   /* clients need a key */
    bool toy;                   /* nobody chose the model: it is the small default */
};

void up_view_init(struct up_view *v, const struct settings *s);
void up_view_fini(struct up_view *v);
/* Whether a line of that importance is shown now; if so, the line of progress makes room for it. */
bool up_view_lets(struct up_view *v, enum log_level level);
/* Keeps a line of the child called `who`. */
void up_view_keep(struct up_view *v, const char *who, struct str line);
/* Draws the line of progress anew when it has changed. `workers`, `actors`: that are to come; news NULL: the head does not answer yet. */
void up_view_progress(struct up_view *v, const struct client_news *news, unsigned workers, unsigned actors);
/* Takes the line of progress away. */
void up_view_clear(struct up_view *v);
void up_view_box(struct up_view *v, const struct up_facts *f);
/* It failed: the last lines that were kept, which tell why. */
void up_view_fail(struct up_view *v);

#endif
