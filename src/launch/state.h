/* Private to the room: the launch as a whole and one supervised child (a *part*). */
#ifndef MANTA_LAUNCH_STATE_H
#define MANTA_LAUNCH_STATE_H

#include "launch/head_link.h"
#include "launch/launch.h"
#include "launch/say.h"

/*                 start                 stop: SIGINT (drain: SIGTERM) exit
 *     IDLE ---------------> RUNNING ------------------> STOPPING ------------> IDLE
 *                           |  ^   |                    (after the grace: SIGKILL)
 *                 it dies   |  |   | it ends with a status that another try would not change
 *                           v  |   v
 *                        WAITING   GIVEN_UP
 *          (pause, then RUNNING again)
 * WAITING and GIVEN_UP have no process: stopping them is IDLE at once. */
enum part_state { PART_IDLE, PART_RUNNING, PART_WAITING, PART_STOPPING, PART_GIVEN_UP };

struct part {
    struct launch *launch;   /* borrowed */
    char name[24];           /* "head", "worker-1" */
    uint32_t index;          /* 0: the head; K: worker-K */
    enum part_state state;
    struct net_child *child; /* while RUNNING or STOPPING */
    struct net_timer *timer; /* owned; end of the pause or of the grace */
    uint64_t started_us;     /* of the last start */
    uint32_t starts;         /* so far */
    uint32_t pause_ms;       /* before the next restart */
    bool drains;             /* STOPPING: asked to end what runs first */
    uint32_t grace_ms;       /* STOPPING: before it is killed */
    char last_line[LOG_JSON_BYTES_MAX + 8];    /* of its output, of this life: often why it ended */
    bool says_error;         /* last_line does: lines that do not will not replace it */
};

struct launch {
    struct launch_config cfg;
    struct listener listener; /* of cfg */
    struct net_loop *loop;    /* borrowed */
    char program[512];
    struct part head;
    struct part *workers[LAUNCH_WORKERS_MAX]; /* owned; [0] is worker-1; NULL: never needed so far */
    uint32_t target;          /* workers to keep up */
    struct head_link *link;   /* owned; NULL once it is over */
    bool begun;               /* the target is one that somebody wants */
    bool scaled;              /* it ran well enough for somebody to change its size */
    bool stopping;
    bool in_a_hurry;          /* stop was asked for twice */
    /* A part's process came or went; or, with `f`, it is not tried any more. May end the launch: the caller touches nothing after it. */
    void (*on_part)(struct launch *a, const struct fault *f);
    struct fault fault;       /* why it ends by itself */
};

/* ---- launch.c ---- */
/* worker-(i + 1) is to be there. */
void launch_want(struct launch *a, uint32_t i);

/* ---- part.c ---- */
/* Of that launch; index 0: the head, K: worker-K. Nothing runs yet. */
void part_init(struct part *p, struct launch *a, uint32_t index);
/* Kills what still runs, and frees what it holds. */
void part_fini(struct part *p);
/* IDLE, WAITING or GIVEN_UP -> RUNNING; when it cannot be started: the error with f, and the state stays. */
int part_start(struct part *p, struct fault *f);
/* As part_start, but a failure is said and tried again later. */
void part_keep_up(struct part *p);
/* `drain`: it may end what runs first; called again without, it may not any more. */
void part_stop(struct part *p, bool drain);
/* SIGKILL, at once. */
void part_kill(struct part *p);
/* A process of it runs. */
static inline bool part_has_process(const struct part *p)
{
    return p->child != NULL;
}

/* ---- command.c ---- */
struct command {
    const char *argv[LAUNCH_ARGS_MAX + 1]; /* borrowed from the config and from below */
    char pid[16], threads[16];
};
/* ERR_USAGE with f when there are too many arguments. */
int command_make(struct command *c, const struct part *p, struct fault *f);
/* Path of this binary. */
void command_own_program(char *out, size_t cap);

#endif
