/* Make one worker's Slurm job: sbatch's arguments, and the script.
 *
 * The script keeps the worker up within its allocation: it restarts a worker that dies, at once the
 * first time, then after pauses that grow while the worker dies soon. The script ends in two cases:
 * with the worker's status, if another try would repeat it; and with 0 after SIGTERM, which comes
 * from Slurm before the time limit (--signal) and at scancel, and from the launcher. The worker
 * drains then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/slurm.h"

enum {
    ARGS_BYTES_MAX = 16 << 10,
    BESIDE_WORKER_MIB = 128,       /* part of --mem: the shell, and the kernel's memory for both */
    KILL_AFTER_S = 15,             /* a worker that exceeds its grace by this much is killed */
};

static const char *const script_head =
    "#!/bin/sh\n"
    "# One worker of a manta cluster: kept up until this job is told to end (SIGTERM). Written by manta.\n"
    "worker= ending= again= pause=0\n"
    "end() {\n"
    "    ending=yes\n"
    "    [ -n \"$worker\" ] || return 0\n"
    "    kill -TERM \"$worker\" 2>/dev/null\n"
    "    (sleep \"$patience\"; kill -KILL \"$worker\" 2>/dev/null) &\n"
    "}\n"
    "trap end TERM INT\n";

static const char *const script_tail =
    "while [ -z \"$ending\" ]; do\n"
    "    started=$(date +%s)\n"
    "    run $again &\n"
    "    worker=$!\n"
    "    [ -z \"$ending\" ] || kill -TERM \"$worker\"\n"
    "    wait \"$worker\"; status=$?\n"
    "    while kill -0 \"$worker\" 2>/dev/null; do wait \"$worker\"; status=$?; done\n"
    "    worker= again=--again\n"
    "    [ -z \"$ending\" ] || break\n"
    "    case $status in "; /* … statuses that another try would repeat … */

static const char *const script_end =
    ") echo \"$name ended with status $status: not starting it again\"; exit $status ;; esac\n"
    "    [ $(($(date +%s) - started)) -lt 60 ] || pause=0\n"
    "    echo \"$name ended with status $status: starting it again in $pause s\"\n"
    "    sleep $pause & wait $!\n"
    "    if [ $pause -eq 0 ]; then pause=1; elif [ $pause -lt 8 ]; then pause=$((pause * 2)); fi\n"
    "done\n"
    "exit 0\n";

/* 'it'\''s'. */
static void add_quoted(struct buf *b, const char *text)
{
    buf_putc(b, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buf_puts(b, "'\\''");
        else
            buf_putc(b, *text);
    }
    buf_putc(b, '\'');
}

static bool has_arg(const char *const *args, const char *name)
{
    size_t n = strlen(name);
    for (; *args != NULL; args++) {
        if (strncmp(*args, name, n) == 0 && ((*args)[n] == '\0' || (*args)[n] == '='))
            return true;
    }
    return false;
}

static void add_script(struct buf *b, const struct launcher *a, uint32_t index)
{
    const char *program = launcher_option_value(a, "program");
    buf_puts(b, script_head);
    buf_printf(b, "name=%s patience=%u\nrun() { exec ", launcher_name(index).text, a->cfg.drain_ms / 1000 + KILL_AFTER_S);
    add_quoted(b, program[0] != '\0' ? program : a->cfg.program);
    for (const char *const *arg = a->cfg.worker_args; *arg != NULL; arg++) {
        buf_putc(b, ' ');
        add_quoted(b, *arg);
    }
    if (!has_arg(a->cfg.worker_args, "--threads"))
        buf_puts(b, " --threads \"${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-0}}\"");
    buf_puts(b, " --node \"$name\" --die-with-parent $$ \"$@\"; }\n");
    buf_puts(b, script_tail);
    buf_printf(b, "%d|%d|%d|%d", err_exit(ERR_USAGE), err_exit(ERR_AUTH), err_exit(ERR_MEMORY), err_exit(ERR_MODEL));
    buf_puts(b, script_end);
}

/* ---- sbatch ---- */

/* Parses an option's number of seconds; -1: invalid. */
static int64_t number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n <= 86400 ? (int64_t)n : -1;
}

uint32_t slurm_notice_s(const struct launcher *a)
{
    int64_t notice_s = number(launcher_option_value(a, "notice"));
    return notice_s > 0 ? (uint32_t)notice_s : 0;
}

/* Returns the next word of *text; empty at the end. */
static struct str next_word(const char **text)
{
    const char *p = *text + strspn(*text, " \t");
    size_t n = strcspn(p, " \t");
    *text = p + n;
    return str_n(p, n);
}

int slurm_check_options(const struct launcher *a, struct fault *f)
{
    static const char *const numbers[] = {"notice", "lead", "poll"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *value = launcher_option_value(a, numbers[i]);
        if (number(value) < 0 || (i == 2 && number(value) == 0))
            return fault_set(f, ERR_USAGE, "--set %s='%s' is not a number of seconds: 0 to 86400", numbers[i], value);
    }
    const char *more = launcher_option_value(a, "sbatch");
    for (struct str word = next_word(&more); word.n > 0; word = next_word(&more)) {
        if (word.p[0] != '-') /* sbatch would take it for the script */
            return fault_set(f, ERR_USAGE, "--set sbatch: '%.*s' is not an option of sbatch: write each with its value as one "
                             "word, as in --set sbatch='--constraint=avx512 --exclude=n[1-3]'", STR_ARG(word));
    }
    return 0;
}

/* Arguments are stored one after another in c->text, each with its 0 byte; argv is filled after the
 * last one was added. */
static void add_arg(struct buf *b, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    buf_printf(b, "%s%s", name, value);
    buf_putc(b, '\0');
}

static void add_number(struct buf *b, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    buf_printf(b, "%s%llu", name, (unsigned long long)value);
    buf_putc(b, '\0');
}

static void add_resources(struct buf *b, const struct launcher *a)
{
    const uint64_t mib = 1 << 20;
    add_number(b, "--cpus-per-task=", a->cfg.threads);
    if (a->cfg.memory_bytes > 0)
        buf_printf(b, "--mem=%lluM%c", (unsigned long long)((a->cfg.memory_bytes + mib - 1) / mib + BESIDE_WORKER_MIB), '\0');
    if (launcher_option_value(a, "gres")[0] == '\0')
        add_number(b, "--gres=gpu:", a->cfg.gpus);
    static const char *const names[] = {"partition", "account", "qos", "time", "gres", "reservation"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char flag[32];
        snprintf(flag, sizeof flag, "--%s=", names[i]);
        add_arg(b, flag, launcher_option_value(a, names[i]));
    }
}

static void add_args(struct buf *b, const struct launcher *a, uint32_t index, const char *logs)
{
    static const char fixed[] = "sbatch\0--parsable\0--requeue\0--open-mode=append\0--export=ALL\0--nodes=1\0--ntasks=1";
    uint32_t notice_s = slurm_notice_s(a);
    buf_add(b, fixed, sizeof fixed); /* including its 0 byte */
    add_arg(b, "--job-name=", launcher_engine_name(a, index).text);
    add_arg(b, "--comment=manta ", a->cfg.cluster);
    buf_printf(b, "--output=%s/%s.log%c", logs, launcher_name(index).text, '\0');
    if (notice_s > 0)
        buf_printf(b, "--signal=B:TERM@%u%c", notice_s, '\0');
    add_resources(b, a);
    const char *more = launcher_option_value(a, "sbatch");
    for (struct str word = next_word(&more); word.n > 0; word = next_word(&more))
        buf_printf(b, "%.*s%c", STR_ARG(word), '\0');
}

int slurm_command_make(struct slurm_command *c, const struct launcher *a, uint32_t index, const char *logs, struct fault *f)
{
    size_t n = 0;
    *c = (struct slurm_command){.text = buf_max(ARGS_BYTES_MAX), .script = buf_max(SLURM_SCRIPT_BYTES_MAX)};
    add_args(&c->text, a, index, logs);
    add_script(&c->script, a, index);
    for (size_t at = 0; at < c->text.n && n < SLURM_ARGS_MAX; at += strlen(c->text.p + at) + 1)
        c->argv[n++] = c->text.p + at;
    if (!c->text.overflowed && !c->script.overflowed && n < SLURM_ARGS_MAX)
        return 0;
    slurm_command_fini(c);
    return fault_set(f, ERR_USAGE, "the arguments of a worker, or of sbatch, are too many: at most %d and %d KiB of them for sbatch, %d KiB "
                     "for the worker", SLURM_ARGS_MAX - 1, ARGS_BYTES_MAX >> 10, SLURM_SCRIPT_BYTES_MAX >> 10);
}

void slurm_command_fini(struct slurm_command *c)
{
    buf_fini(&c->text);
    buf_fini(&c->script);
}
