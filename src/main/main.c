/* The program: finds the command in the table, reads its settings, and calls the room that implements
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/log.h"
#include "base/name.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "client/client.h"
#include "head/serve.h"
#include "lab/bench.h"
#include "lab/chaos.h"
#include "launch/launch.h"
#include "main/commands.h"
#include "main/config.h"
#include "main/detach.h"
#include "main/engine.h"
#include "main/files.h"
#include "main/help.h"
#include "main/limits.h"
#include "main/logs.h"
#include "main/needs.h"
#include "main/options.h"
#include "main/run.h"
#include "main/running.h"
#include "main/up.h"
#include "net/first.h"
#include "net/supervisor.h"
#include "settings/settings.h"
#include "os/crash.h"
#include "os/file.h"
#include "worker/last_run.h"
#include "worker/tryout.h"
#include "worker/worker.h"

/* ---- one function per command ---- */

static int run_up(const struct settings *s)
{
    int status;
    if (setting_on(s, SET_DETACH) && !detach_start(DETACH_KEEPS_NOTHING, &status))
        return status;
    log_start();
    return strcmp(setting_text(s, SET_ON), "local") == 0 ? up_main(s) : up_on_main(s);
}

static int run_launcher(const struct settings *s)
{
    log_start();
    return launcher_main(s);
}

static int run_logs(const struct settings *s)
{
    return logs_main(s, s->args_n > 0 ? s->args[0] : NULL);
}

/* Maps a model into a head, which no head does by itself, so that a test can check that `manta
 * verify` detects it. */
static void map_by_force(const char *path)
{
    int fd = path[0] != '\0' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED)
        log_warn("HEAD NODE STARTING", EVENT("debug_map"), "--debug-map: '%s' is mapped into this head, for a test", path);
    close(fd);
}

static bool in_container(void)
{
    const char *told = getenv("container"); /* podman, systemd-nspawn, lxc */
    return (told != NULL && told[0] != '\0') || getenv("KUBERNETES_SERVICE_HOST") != NULL || access("/.dockerenv", F_OK) == 0 ||
           access("/run/.containerenv", F_OK) == 0;
}

/* In a container, root is the container's; limiting its capabilities is up to whoever starts it
 * (docker-compose.laptop.yml). */
static void warn_of_root(void)
{
    if (geteuid() == 0 && !in_container())
        log_warn("SECURITY", EVENT("runs_as_root"),
                 "runs as root, which a head never needs: an attacker who exploits a bug in it controls the machine; run it as a user of its own");
}

static int run_head(const struct settings *s)
{
    struct head_options o = options_head(s);
    int status;
    if (setting_on(s, SET_DETACH) && !detach_start(DETACH_KEEPS_FILES, &status))
        return status;
    o.on_started = detach_done;
    map_by_force(setting_text(s, SET_DEBUG_MAP));
    launch_die_with_parent((int)setting_number(s, SET_DIE_WITH_PARENT), true);
    log_start();
    warn_of_root();
    limits_apply(setting_number(s, SET_HEAD_LIMIT_MEMORY), (uint32_t)setting_number(s, SET_HEAD_LIMIT_CPUS));
    status = head_main(&o);
    limits_end();
    return status;
}

static int run_worker(const struct settings *s)
{
    struct worker_options o = options_worker(s);
    launch_die_with_parent((int)setting_number(s, SET_DIE_WITH_PARENT), true);
    log_start();
    limits_apply(setting_number(s, SET_WORKER_LIMIT_MEMORY), (uint32_t)setting_number(s, SET_WORKER_LIMIT_CPUS));
    o.memory_bytes = limits_memory(o.memory_bytes);
    if (setting_number(s, SET_WORKER_LIMIT_MEMORY) == 0)
        limits_hold(o.memory_bytes);
    int status = worker_main(&o);
    limits_end();
    return status;
}

static int run_prompt(const struct settings *s)
{
    struct client_options o = options_client(s);
    launch_die_with_parent((int)setting_number(s, SET_DIE_WITH_PARENT), false);
    return words_ask(&o, s->args, s->args_n);
}

/* Defines a command that is one call of the client. */
#define CLIENT(name, call) \
    static int name(const struct settings *s) \
    { \
        struct client_options o = options_client(s); \
        return call; \
    }
CLIENT(run_launch, client_launch_coder(&o, s->args[0], s->args + 1, s->args_n - 1, setting_on(s, SET_PRINT)))
CLIENT(run_status, client_status(&o))
CLIENT(run_actors, client_actors(&o))
CLIENT(run_requests, client_requests(&o))
CLIENT(run_top, client_top(&o))
CLIENT(run_explain, client_explain(&o, s->args_n > 0 ? s->args[0] : NULL))
CLIENT(run_drain, client_drain(&o, s->args[0], (uint32_t)setting_number(s, SET_GRACE), setting_on(s, SET_MOVE)))
CLIENT(run_cordon, client_cordon(&o, s->args[0], true))
CLIENT(run_uncordon, client_cordon(&o, s->args[0], false))
CLIENT(run_verify, client_verify(&o))
#undef CLIENT

static int run_scale(const struct settings *s)
{
    struct client_options o = options_client(s);
    bool min = s->values[SET_MIN].source == FROM_FLAG, max = s->values[SET_MAX].source == FROM_FLAG; /* an environment variable of that name is
                                                                                                      * not for this command */
    struct client_scale_ask ask = {
        .min = min ? (int64_t)setting_number(s, SET_MIN) : -1,
        .max = max ? (int64_t)setting_number(s, SET_MAX) : -1,
        .workers = -1,
        .policy = strcmp(s->args[0], "auto") == 0 || strcmp(s->args[0], "fixed") == 0 ? s->args[0] : NULL,
    };
    char *end = NULL;
    unsigned long n = ask.policy == NULL ? strtoul(s->args[0], &end, 10) : 0;
    if (ask.policy == NULL && (*end != '\0' || s->args[0][0] < '0' || s->args[0][0] > '9' || n > 256)) {
        plain_error("scale: '%s' is not a number of workers from 0 to 256, nor auto or fixed", s->args[0]);
        return 2;
    }
    if ((min || max) && (ask.policy == NULL || strcmp(ask.policy, "auto") != 0)) {
        plain_error("scale: --%s goes with `manta scale auto`, not with '%s'", min ? "min" : "max", s->args[0]);
        return 2;
    }
    if (ask.policy == NULL)
        ask.workers = (int64_t)n;
    return client_scale(&o, &ask);
}

static int run_health(const struct settings *s)
{
    struct client_options o = options_client(s);
    if (s->args_n > 0 && strcmp(s->args[0], "worker") != 0) {
        plain_error("health: '%.*s' is not 'worker': without a word it asks for the head's health", UTF8_HEAD(s->args[0], 60));
        return 2;
    }
    struct fault f = {0};
    char node[NAME_CAP];
    name_of_node(o.node, node);
    /* A worker's container has no client key, so read the worker's own record first, and ask the
     * head only without one. */
    if (s->args_n > 0 && last_run_health(node, &f) != ERR_NOT_FOUND)
        return client_health_told(&o, node, &f);
    return client_health(&o, s->args_n > 0);
}

static int refuse_models(const char *word)
{
    static const char *const with_name[] = {"pull", "show", "rm"};
    for (size_t i = 0; i < sizeof with_name / sizeof with_name[0]; i++) {
        if (strcmp(word, with_name[i]) == 0) {
            plain_error("manta models %s takes %s; example: manta models %s qwen3-4b", word, strcmp(word, "show") == 0 ? "one NAME" : "NAME...", word);
            return 2;
        }
    }
    plain_error("manta models '%.*s' is unknown; there are `manta models` alone, and catalogue, pull NAME..., show NAME, rm NAME...", UTF8_HEAD(word, 60));
    return 2;
}

static int run_models(const struct settings *s)
{
    struct client_options o = options_client(s);
    const char *word = s->args_n > 0 ? s->args[0] : "ls", *const *names = (const char *const *)s->args + 1;
    int n = s->args_n - 1;
    if ((strcmp(word, "ls") == 0 || strcmp(word, "list") == 0) && n <= 0)
        return client_models(&o);
    if (strcmp(word, "catalogue") == 0 && n == 0)
        return client_catalogue(&o);
    struct models_pull how = options_pull(s);
    if (strcmp(word, "pull") == 0 && n > 0)
        return client_pull(&o, &how, names, n);
    if (strcmp(word, "show") == 0 && n == 1)
        return client_model_show(&o, names[0]);
    if (strcmp(word, "rm") == 0 && n > 0)
        return client_model_rm(&o, names, n);
    return refuse_models(word);
}

static int run_bench(const struct settings *s)
{
    return bench_main(s, options_client(s).api_key);
}

static const struct command commands[] = {
#define C(...) {__VA_ARGS__},
    COMMANDS(C)
#undef C
};
enum { COMMANDS_N = sizeof commands / sizeof commands[0], FILES_CLIENT = 12, FILES_SERVER = 20, THREADS_SERVER = 8 };

static bool is_server(const struct command *c)
{
    return (c->uses & (USE_HEAD | USE_WORKER | USE_BENCH | USE_CHAOS | USE_LAUNCHER)) != 0 && (c->uses & USE_CONFIG) == 0;
}

/* A loop and some of its connections; a pipe per child. */
static unsigned files_wanted(const struct command *c, const struct settings *s)
{
    if (!is_server(c))
        return FILES_CLIENT;
    return FILES_SERVER + ((c->uses & (USE_UP | USE_CHAOS | USE_LAUNCHER)) != 0 ? (unsigned)setting_number(s, SET_WORKERS) : 0);
}

static int run_with_needs(const struct command *c, const struct settings *s)
{
    struct fault f = {0};
    bool starts_others = is_server(c) && (c->uses & (USE_UP | USE_CHAOS | USE_BENCH | USE_LAUNCHER)) != 0;
    if (files_check(c->name, files_wanted(c, s), &f) == 0 && (!is_server(c) || needs_check(c->name, THREADS_SERVER, &f) == 0) &&
        (!starts_others || needs_places(c->name, &f) == 0))
        return c->run(s);
    plain_error("%s", f.text);
    return err_exit(f.err);
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct settings s;
    struct fault f = {0};
    int status = 0, err = settings_load(&s, argc, argv, c->uses, &f);
    if (err == 0 && !s.help && (c->uses & (USE_CLIENT | USE_BENCH)) != 0)
        err = running_head(&s, &f);
    bool hidden = settings_hide_keys(argc, argv);
    if (err != 0) {
        plain_error("%s", f.text);
        status = err_exit(f.err);
    } else if (s.help) {
        help_command(c, s.args_n > 0 && strcmp(s.args[0], "all") == 0);
    } else if (s.args_n < c->args_min || s.args_n > c->args_max) {
        plain_error("manta %s takes %s; example: %.*s", c->name, c->args[0] != '\0' ? c->args : "no arguments",
                (int)strcspn(c->example, "\n"), c->example);
        status = 2;
    } else {
        fputs(buf_cstr(&s.warnings), stderr);
        if (setting_number(&s, SET_OUTPUT) == OUTPUT_YAML)
            client_yaml();
        options_log(&s);
        if (hidden && (c->uses & (USE_HEAD | USE_WORKER)) != 0)
            log_warn("CLUSTER STATUS", EVENT("key_on_command_line"),
                     "other users of this machine could read a key on the command line until it was hidden, as it is now: "
                     "use MANTA_API_KEY and MANTA_JOIN_TOKEN, or --api-key-file and --join-token-file instead");
        status = run_with_needs(c, &s);
    }
    settings_fini(&s);
    return status;
}

static int run_program(int argc, char **argv)
{
    if (argc < 2) {
        help_all(stderr, commands, COMMANDS_N);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 && argc > 2 && argv[2][0] != '-') {
        char *page[] = {(char *)(uintptr_t)"--help", argc > 3 ? argv[3] : NULL};
        for (int i = 0; i < COMMANDS_N; i++)
            if (strcmp(commands[i].name, argv[2]) == 0)
                return run_command(&commands[i], argc > 3 ? 2 : 1, page);
        return help_unknown(commands, COMMANDS_N, argv[2]);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help_all(stdout, commands, COMMANDS_N);
        return 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0) {
        printf("manta %s\n", MANTA_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMANDS_N; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return run_command(&commands[i], argc - 2, argv + 2);
    }
    return help_unknown(commands, COMMANDS_N, name);
}

/* Flushes the output, which may fail: a full disk is an error to report, a reader that closed early
 * (`| head`) is not. */
static int end_output(int status)
{
    bool failed = ferror(stdout) != 0, gone = file_reader_is_gone(STDOUT_FILENO);
    errno = 0;
    if (fclose(stdout) == 0 && !failed)
        return status;
    if (!gone)
        fprintf(stderr, "error: cannot write the output: %s\n", errno != 0 ? strerror(errno) : "not all of it was taken, is the disk full?");
    return status != 0 ? status : err_exit(ERR_IO);
}

int main(int argc, char **argv)
{
    files_open_standard();
    first_begin();
    signal(SIGXFSZ, SIG_IGN); /* exceeding a file size limit (ulimit -f) becomes an error code, like a full disk */
    if (argc > 1 && strcmp(argv[1], TRYOUT_COMMAND) == 0) /* for workers, which report its crashes */
        return tryout_main(argc - 2, argv + 2);
    struct fault f = {0};
    if (needs_stack(&f) != 0) {
        fprintf(stderr, "error: %s\n", f.text);
        return err_exit(f.err);
    }
    crash_report_init(MANTA_VERSION);
    net_supervisor_begin();
    cells_init();
    log_init();
    return end_output(run_program(argc, argv));
}
