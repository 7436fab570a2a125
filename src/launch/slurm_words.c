/* Report Slurm's errors: all the lines it wrote, and a remedy. */
#include <string.h>

#include "launch/slurm.h"

enum { WORDS_BYTES_MAX = 260 };

static const struct advice {
    const char *words; /* found in Slurm's output */
    int err;
    const char *remedy;
} advice[] = {
    {"nvalid partition", ERR_USAGE, "give one that `sinfo -s` lists: --set partition=NAME"},
    {"nvalid account", ERR_USAGE, "give one that `sacctmgr show assoc user=$USER` lists: --set account=NAME"},
    {"nvalid qos", ERR_USAGE, "give one that `sacctmgr show qos` lists: --set qos=NAME"},
    {"nvalid generic resource", ERR_USAGE, "give one that `sinfo -o %G` lists: --set gres=NAME"},
    {"nvalid --time", ERR_USAGE, "give a time as sbatch takes it: --set time=8:00:00"},
    {"nvalid time", ERR_USAGE, "give a time as sbatch takes it: --set time=8:00:00"},
    {"unrecognized option", ERR_USAGE, "look into `sbatch --help`: --set sbatch has something else"},
    {"node configuration is not available", ERR_USAGE,
     "no node of the partition has so much: `sinfo -o '%P %c %m %G'`, then a smaller --memory or --threads"},
    {"node count specification invalid", ERR_USAGE, "the partition does not take jobs of one node: --set partition=NAME"},
    {"JobLimit", ERR_BUSY, "ask for fewer workers, or for a higher limit"},
    {"SubmitJob", ERR_BUSY, "ask for fewer workers, or for a higher limit"},
    {"policy", ERR_BUSY, "ask for fewer workers, a shorter --set time, or a higher limit"},
    {"temporarily unable to accept", ERR_UNAVAILABLE, "Slurm has as many jobs as it takes: it is tried again"},
    {"Unable to contact slurm controller", ERR_UNAVAILABLE, "is slurmctld up? `scontrol ping`; jobs that run continue"},
    {"Could not establish a configuration", ERR_NOT_FOUND, "this machine is not part of a Slurm cluster: run it on a login node"},
    {"Zero Bytes were transmitted", ERR_UNAVAILABLE, "slurmctld hung up: `scontrol ping`; it is tried again"},
    {"unge", ERR_UNAVAILABLE, "is munged up on this machine, with the cluster's key?"},
    {"Protocol authentication error", ERR_AUTH, "munged here and at slurmctld have different keys, or clocks"},
    {"Invalid user", ERR_FORBIDDEN, "the cluster does not know this user"},
    {"ermission denied", ERR_FORBIDDEN, "Slurm does not let this user do it"},
    {"Socket timed out", ERR_TIMEOUT, "slurmctld is slow: it is tried again"},
};

/* "sbatch: error: Batch job …" -> "Batch job …". */
static struct str plain_words(struct str line)
{
    static const char *const marks[] = {": error: ", ": fatal: ", " error: "};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const char *at = memmem(line.p, line.n < 60 ? line.n : 60, marks[i], strlen(marks[i]));
        if (at != NULL)
            return str_n(at + strlen(marks[i]), line.n - (size_t)(at + strlen(marks[i]) - line.p));
    }
    return line;
}

/* Appends all lines: Slurm gives its reason first and the consequence after it. */
static void add_words(struct buf *out, struct str text)
{
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        struct str line = plain_words(str_n(text.p, n));
        n += end != NULL;
        text = str_n(text.p + n, text.n - n);
        if (line.n == 0 || (out->n > 0 && memmem(out->p, out->n, line.p, line.n) != NULL))
            continue;
        if (buf_puts(out, out->n > 0 ? ": " : "") != 0 || buf_add_str(out, line) != 0)
            return;
    }
}

int slurm_blame(struct fault *f, const struct exec_result *r, const char *tried)
{
    struct buf words = buf_max(WORDS_BYTES_MAX);
    int err = r->fault.err;
    const char *remedy = NULL;
    if (err == ERR_FAILED)
        add_words(&words, r->err);
    if (words.n == 0)
        buf_puts(&words, r->fault.text);
    for (size_t i = 0; remedy == NULL && i < sizeof advice / sizeof advice[0]; i++) {
        if (strstr(buf_cstr(&words), advice[i].words) == NULL)
            continue;
        err = advice[i].err;
        remedy = advice[i].remedy;
    }
    if (err == ERR_NOT_FOUND && remedy == NULL)
        remedy = "Slurm's commands are not here: run it on a login node, or put them into PATH";
    fault_set(f, err, "cannot %s: %s%s%s", tried, buf_cstr(&words), remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
    buf_fini(&words);
    return err;
}

/* Workers on other nodes would dial such an address in vain, for ever; on a cluster of one machine
 * it is correct. */
void slurm_warn_of_loopback(struct slurm *s)
{
    const char *head = s->base.cfg.head, *port = head != NULL ? strrchr(head, ':') : NULL;
    if (s->warned || port == NULL || !net_is_loopback(str_n(head, (size_t)(port - head))))
        return;
    s->warned = true;
    launcher_say(&s->base, LOG_WARN, EVENT("head_not_reachable"),
                 "workers on other nodes do not find a head at %s: let it listen for them (--host 0.0.0.0 with an "
                 "--api-key-file and a --join-token-file), or say where it is (--worker-head HOST:PORT)", head);
}
