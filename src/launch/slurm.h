/* Private to the engine "slurm": one Slurm job per worker, through sbatch, squeue, scancel and scontrol.
 *
 * A job of ours has the name "CLUSTER-worker-K" and the comment "manta CLUSTER", and belongs to the user who runs the launcher: Slurm
 * itself keeps the list. slurm_open.c makes it, slurm.c has the operations; slurm_jobs.c reads what squeue says; slurm_script.c makes the job;
 * slurm_words.c says what was wrong. The last three are pure: text in, structs out. */
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

/* What one of Slurm's states means to us. SUCCEEDED: it runs, and nears its time limit, so that its successor is to be queued; GONE: it
 * is over, and another one may do better; BROKEN: it is over, and another one would end the same way. */
enum slurm_phase { SLURM_WAITS, SLURM_RUNS, SLURM_SUCCEEDED, SLURM_ENDS, SLURM_GONE, SLURM_BROKEN };

struct slurm_job {
    uint64_t id;
    uint32_t index;        /* of the worker */
    enum slurm_phase phase;
    bool delayed;          /* WAITS only because Slurm puts a requeued job off for two minutes */
    bool held_back;        /* WAITS because its start has failed; nobody but us will release it */
    char state[24];        /* "RUNNING", Slurm's word */
    char node[128];        /* "n1"; empty: none yet */
    char reason[128];      /* "Resources", "JobHeldUser"; empty: none */
};

/* The argument of squeue's --format that slurm_jobs_read() understands, and of --name. */
#define SLURM_FORMAT "--format=%i|%j|%k|%T|%N|%L|%l|%r"
/* *out: squeue's option with the names of all jobs that can be ours. */
void slurm_names(struct buf *out, const struct launcher *a);
/* Reads what squeue wrote; lines that are not of this cluster, or are nonsense, are left out. `lead_s`: a job with less time left, and
 * with less than half of its limit, is SUCCEEDED. Returns how many; in the order of their ids. */
size_t slurm_jobs_read(struct slurm_job *out, size_t max, const struct launcher *a, struct str text, uint32_t lead_s);
/* The workers that these jobs are, each told of once: as the job that runs, else the one that will, …; in the order of their indices. */
size_t slurm_workers(struct launcher_worker *out, size_t max, const struct slurm_job *jobs, size_t n);
/* The job that is worker `index` or will be: WAITS or RUNS. NULL: none. With several the one that runs, else the oldest. */
const struct slurm_job *slurm_job_of(const struct slurm_job *jobs, size_t n, uint32_t index);
/* Seconds in "1-02:03:04", "03:04", …; -1 for "UNLIMITED" and everything else. */
int64_t slurm_seconds(struct str text);

/* ---- slurm_script.c ---- */

struct slurm_command {
    const char *argv[SLURM_ARGS_MAX + 1]; /* into `text` and into the launcher's options */
    struct buf text;                      /* owned */
    struct buf script;                    /* owned; for its stdin */
};
/* `logs`: the folder for its output. ERR_USAGE with f when an option is not one that sbatch could take. */
int slurm_command_make(struct slurm_command *c, const struct launcher *a, uint32_t index, const char *logs, struct fault *f);
/* Frees it. */
void slurm_command_fini(struct slurm_command *c);
/* Seconds before its time limit at which a job is told: --set notice, at least what a drain takes. */
uint32_t slurm_notice_s(const struct launcher *a);
/* ERR_USAGE: `--set sbatch`, `notice`, `lead` are not what they should be. */
int slurm_check_options(const struct launcher *a, struct fault *f);

/* ---- slurm_words.c ---- */

/* Why a command of Slurm's failed, in its own words, and what would help; the error number tells whether it may pass. */
int slurm_blame(struct fault *f, const struct exec_result *r, const char *tried);

/* ---- the engine as a whole ---- */

enum slurm_op { SLURM_OP_NONE, SLURM_OP_OPEN, SLURM_OP_LIST, SLURM_OP_START, SLURM_OP_STOP, SLURM_OP_DOWN };
/* What one scancel or scontrol does; the order in which they are done. */
enum slurm_chore { SLURM_CHORE_RELEASE, SLURM_CHORE_HURRY, SLURM_CHORE_TERM, SLURM_CHORE_CANCEL, SLURM_CHORES };

/* A job that we told to go. */
struct slurm_told {
    uint64_t id;
    uint64_t until_us; /* its grace */
};

struct slurm {
    struct launcher base;          /* first */
    enum slurm_op op;               /* that runs */
    uint64_t ticket;               /* of it */
    struct launcher_range range;
    bool drain;
    uint32_t next;                 /* START: the worker to look at */
    uint64_t until_us;             /* nothing more is begun after */
    struct exec *exec;             /* that runs for it */
    struct net_timer *timer;       /* owned; DOWN: the next look; OPEN: none */
    struct net_timer *watch;       /* owned */
    bool watched;
    struct slurm_job jobs[SLURM_JOBS_MAX]; /* of the last squeue */
    size_t jobs_n;
    uint64_t ids[SLURM_CHORES][SLURM_JOBS_MAX];  /* jobs to be … */
    size_t ids_n[SLURM_CHORES];
    struct slurm_told told[LAUNCHER_WORKERS_MAX];
    size_t told_n;
    uint64_t ended_id;             /* endings of jobs up to this one have been said */
    uint64_t release_us;           /* jobs that are held back are not released before */
    bool looked;                   /* there was a list before */
    bool warned;                   /* of a head that others cannot reach */
    struct buf names;              /* owned; squeue's --name=… */
    const char **env;              /* owned array: worker_env, and no SLURM_… of an allocation that we run in */
    uint32_t poll_s;
    char logs[SLURM_PATH_BYTES];   /* --set logs */
};

/* Opens it: base, names, env and logs are set. */
void slurm_begin(struct slurm *s);
/* The command that runs goes, and the timer. */
void slurm_end(struct slurm *s);

/* ---- slurm_told.c ---- */

/* The job is in the queue or runs. */
static inline bool slurm_is_there(const struct slurm_job *j)
{
    return j->phase != SLURM_GONE && j->phase != SLURM_BROKEN;
}
/* That it was told to go; NULL: it was not. */
struct slurm_told *slurm_find_told(struct slurm *s, uint64_t id);
/* It was told now. */
void slurm_note_told(struct slurm *s, uint64_t id);
/* Forgets those that the last list does not show any more. */
void slurm_forget_gone(struct slurm *s);

/* ---- slurm_words.c ---- */

/* Says once that the head's address is one of this machine alone, if so. */
void slurm_warn_of_loopback(struct slurm *s);

/* ---- slurm_logs.c ---- */

/* Finds and makes s->logs, with the folders above it; others need not read what workers say. ERR_USAGE, ERR_IO, ERR_NOT_FOUND with f. */
int slurm_logs_make(struct slurm *s, struct fault *f);
/* Appends why a worker gave up, as far as its output can be read here: "NonZeroExitCode: cannot load model …". */
void slurm_logs_reason(const struct slurm *s, struct launcher_worker *w);

/* ---- slurm.c ---- */

/* launcher_ops. */
void slurm_start(struct launcher *a, uint64_t ticket, struct launcher_range r);
/* launcher_ops.stop. */
void slurm_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain);
/* launcher_ops.list. */
void slurm_list(struct launcher *a, uint64_t ticket);
/* launcher_ops.down. */
void slurm_down(struct launcher *a, uint64_t ticket);

#endif
