/* Private to the engine "slurm": one Slurm job per worker, through sbatch, squeue, scancel and
 * scontrol.
 *
 * Our jobs have the name "CLUSTER-worker-K" and the comment "manta CLUSTER", and belong to the user
 * who runs the launcher: Slurm itself keeps the list. slurm_open.c makes the engine, slurm.c has
 * the operations; slurm_jobs.c parses squeue's output; slurm_script.c makes the job; slurm_words.c
 * explains errors. The last three are pure: text in, structs out. */
#ifndef MANTA_LAUNCH_SLURM_H
#define MANTA_LAUNCH_SLURM_H

#include "base/buf.h"
#include "launch/engines.h"
#include "launch/exec.h"
#include "launch/launcher.h"

enum {
    SLURM_JOBS_MAX = LAUNCHER_LISTED_MAX,
    SLURM_SCRIPT_BYTES_MAX = 64 << 10,
    SLURM_ARGS_MAX = 48,           /* of sbatch */
    SLURM_PATH_BYTES = 1024,
};

/* ---- slurm_jobs.c ---- */

/* The meaning of Slurm's states. SUCCEEDED: it runs and nears its time limit, so its successor is
 * to be queued; GONE: it is over, and another job may do better; BROKEN: it is over, and another
 * job would end the same way. */
enum slurm_phase { SLURM_WAITS, SLURM_RUNS, SLURM_SUCCEEDED, SLURM_ENDS, SLURM_GONE, SLURM_BROKEN };

struct slurm_job {
    uint64_t id;
    uint32_t index;        /* of the worker */
    enum slurm_phase phase;
    bool delayed;          /* WAITS only because Slurm delays a requeued job by two minutes */
    bool held_back;        /* WAITS because its start failed; Slurm does not release it by itself */
    char state[24];        /* "RUNNING", Slurm's word */
    char node[128];        /* "n1"; empty: none yet */
    char reason[128];      /* "Resources", "JobHeldUser"; empty: none */
};

/* The argument of squeue's --format that slurm_jobs_read() parses. */
#define SLURM_FORMAT "--format=%i|%j|%k|%T|%N|%L|%l|%r"
/* *out: squeue's --name option with the names of all jobs that can be ours. The caller frees it. */
void slurm_names(struct buf *out, const struct launcher *a);
/* Parses squeue's output; lines of other clusters and malformed lines are skipped. `lead_s`: a job
 * with less time left, and with less than half of its limit left, is SUCCEEDED. Returns the number
 * of jobs; ordered by id. */
size_t slurm_jobs_read(struct slurm_job *out, size_t max, const struct launcher *a, struct str text, uint32_t lead_s);
/* Converts jobs to workers, one entry for each index, preferring the job that runs, else the one
 * that will, …; ordered by index. */
size_t slurm_workers(struct launcher_worker *out, size_t max, const struct slurm_job *jobs, size_t n);
/* The job that is or will be worker `index`: WAITS or RUNS. With several, the running one, else the
 * oldest. NULL: none. */
const struct slurm_job *slurm_job_of(const struct slurm_job *jobs, size_t n, uint32_t index);
/* Seconds in "1-02:03:04", "03:04", …; -1 for "UNLIMITED" and everything else. */
int64_t slurm_seconds(struct str text);

/* ---- slurm_script.c ---- */

struct slurm_command {
    const char *argv[SLURM_ARGS_MAX + 1]; /* into `text` */
    struct buf text;                      /* owned */
    struct buf script;                    /* owned; for its stdin */
};
/* Makes the command line and the script of a job. `logs`: folder for its output. ERR_USAGE with f
 * for arguments that are too many or long. */
int slurm_command_make(struct slurm_command *c, const struct launcher *a, uint32_t index, const char *logs, struct fault *f);
/* Frees it. */
void slurm_command_fini(struct slurm_command *c);
/* --set notice: how many seconds before its time limit a job is told to end; 0: never. */
uint32_t slurm_notice_s(const struct launcher *a);
/* Checks `--set sbatch`, `notice`, `lead` and `poll`. ERR_USAGE with f. */
int slurm_check_options(const struct launcher *a, struct fault *f);

/* ---- slurm_words.c ---- */

/* Describes the failure of a Slurm command in its own words, with a remedy; the error number tells
 * whether it may pass. */
int slurm_blame(struct fault *f, const struct exec_result *r, const char *tried);

/* ---- the engine as a whole ---- */

enum slurm_op { SLURM_OP_NONE, SLURM_OP_OPEN, SLURM_OP_LIST, SLURM_OP_START, SLURM_OP_STOP, SLURM_OP_DOWN };
/* The purposes of scancel and scontrol, in the order in which they run. */
enum slurm_chore { SLURM_CHORE_RELEASE, SLURM_CHORE_HURRY, SLURM_CHORE_TERM, SLURM_CHORE_CANCEL, SLURM_CHORES };

/* A job that we told to end. */
struct slurm_told {
    uint64_t id;
    uint64_t until_us; /* end of its grace */
};

struct slurm {
    struct launcher base;          /* first */
    enum slurm_op op;               /* in progress */
    uint64_t ticket;               /* of the operation */
    struct launcher_range range;
    bool drain;
    uint32_t next;                 /* START: the next worker to check */
    uint64_t until_us;             /* begin nothing more after this time */
    struct exec *exec;             /* the command in progress */
    struct net_timer *timer;       /* owned; DOWN: the next query; OPEN: none */
    struct net_timer *watch;       /* owned */
    bool watched;
    struct slurm_job jobs[SLURM_JOBS_MAX]; /* from the last squeue */
    size_t jobs_n;
    uint64_t ids[SLURM_CHORES][SLURM_JOBS_MAX];  /* jobs to be … */
    size_t ids_n[SLURM_CHORES];
    struct slurm_told told[LAUNCHER_WORKERS_MAX];
    size_t told_n;
    uint64_t ended_id;             /* endings of jobs up to this id were reported */
    uint64_t release_us;           /* held jobs are not released before this time */
    bool looked;                   /* at least one list was read */
    bool warned;                   /* about a head that other nodes cannot reach */
    struct buf names;              /* owned; squeue's --name=… */
    const char **env;              /* owned array: worker_env, without the SLURM_… of an allocation that we run in */
    uint32_t poll_s;
    char logs[SLURM_PATH_BYTES];   /* --set logs */
};

/* Opens the engine; base, names, env and logs are set. */
void slurm_begin(struct slurm *s);
/* Cancels the running command and frees the timer. */
void slurm_end(struct slurm *s);

/* ---- slurm_chores.c ---- */

enum { SLURM_CHANGE_MS = 20000 }; /* for sbatch, scancel, scontrol */
/* Runs a command of Slurm with `input` at its stdin. One at a time. */
void slurm_run(struct slurm *s, const char *const *argv, struct str input, uint32_t timeout_ms, exec_done_fn *on_done);
/* Adds a job to a chore. */
void slurm_chore_add(struct slurm *s, enum slurm_chore chore, uint64_t id);
/* Starts the first pending chore; on_done must call slurm_chore_done(). False: none is pending. */
bool slurm_chore_run(struct slurm *s, exec_done_fn *on_done);
/* The running chore has ended. Returns 0, or the error with f. A job that is gone is no error. */
int slurm_chore_done(struct slurm *s, const struct exec_result *r, struct fault *f);

/* ---- slurm_told.c ---- */

/* The job is queued or running. */
static inline bool slurm_is_there(const struct slurm_job *j)
{
    return j->phase != SLURM_GONE && j->phase != SLURM_BROKEN;
}
/* The record that this job was told to end; NULL: it was not. */
struct slurm_told *slurm_find_told(struct slurm *s, uint64_t id);
/* Records that the job was told to end now. */
void slurm_note_told(struct slurm *s, uint64_t id);
/* Forgets jobs that the last list no longer shows. */
void slurm_forget_gone(struct slurm *s);

/* ---- slurm_words.c ---- */

/* Warns once if the head's address is reachable from this machine only. */
void slurm_warn_of_loopback(struct slurm *s);

/* ---- slurm_logs.c ---- */

/* Sets s->logs and creates the folder with its parents, not readable by others. ERR_USAGE, ERR_IO,
 * ERR_NOT_FOUND with f. */
int slurm_logs_make(struct slurm *s, struct fault *f);
/* Appends the reason why a worker gave up, if its output can be read here: "NonZeroExitCode: cannot
 * load model …". */
void slurm_logs_reason(const struct slurm *s, struct launcher_worker *w);

/* ---- slurm.c ---- */

/* launcher_ops.start. */
void slurm_start(struct launcher *a, uint64_t ticket, struct launcher_range r);
/* launcher_ops.stop. */
void slurm_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain);
/* launcher_ops.list. */
void slurm_list(struct launcher *a, uint64_t ticket);
/* launcher_ops.down. */
void slurm_down(struct launcher *a, uint64_t ticket);

#endif
