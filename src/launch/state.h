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
    struct net_timer *timer; /* owned; end of the pause or the grace */
    uint64_t started_us;     /* of the last start */
    uint32_t starts;         /* so far */
    uint32_t pause_ms;       /* before the next restart */
    bool drains;             /* STOPPING: its jobs may finish first */
    uint32_t grace_ms;       /* STOPPING: until SIGKILL */
    char last_line[LOG_JSON_BYTES_MAX + 8];    /* of this life's output: often the reason why it ended */
    bool says_error;         /* last_line contains "error": only another such line replaces it */
};

struct launch {
    struct launch_config cfg;
    struct listener listener; /* of cfg */
    struct net_loop *loop;    /* borrowed */
    char program[512];
    struct part head;
    struct part *workers[LAUNCH_WORKERS_MAX]; /* owned; [0] is worker-1; NULL: not needed so far */
    uint32_t target;          /* how many workers to keep up */
    struct head_link *link;   /* owned; NULL after its end */
    bool begun;               /* the target was set by the caller or the head */
    bool scaled;              /* the head has set the number: it ran well enough for that */
    bool stopping;
    bool in_a_hurry;          /* launch_stop() was called twice */
    /* A part's process came or went; or, with `f`, the part is given up. May free the launch: the
     * caller touches nothing after it. */
    void (*on_part)(struct launch *a, const struct fault *f);
    struct fault fault;       /* why the launch ends by itself */
};

/* ---- launch.c ---- */
/* Makes sure that worker-(i + 1) exists and is kept up. */
void launch_want(struct launch *a, uint32_t i);

/* ---- part.c ---- */
/* Initialises a part; index 0: the head, K: worker-K. Nothing runs yet. */
void part_init(struct part *p, struct launch *a, uint32_t index);
/* Kills its process, if any, and frees its memory. */
void part_fini(struct part *p);
/* IDLE, WAITING or GIVEN_UP -> RUNNING. If the process cannot be started: an error with f, and the
 * state stays. */
int part_start(struct part *p, struct fault *f);
/* As part_start, but a failure is reported and retried later. */
void part_keep_up(struct part *p);
/* Asks the process to end. `drain`: its jobs may finish first; a second call without it withdraws
 * that. */
void part_stop(struct part *p, bool drain);
/* Sends SIGKILL at once. */
void part_kill(struct part *p);
/* The part has a process. */
static inline bool part_has_process(const struct part *p)
{
    return p->child != NULL;
}

/* ---- command.c ---- */
struct command {
    const char *argv[LAUNCH_ARGS_MAX + 1]; /* borrowed from the config and this struct */
    char pid[16], threads[16];
};
/* Makes the command line of a part. ERR_USAGE with f: too many arguments. */
int command_make(struct command *c, const struct part *p, struct fault *f);
/* Path of this binary. */
void command_own_program(char *out, size_t cap);

#endif
