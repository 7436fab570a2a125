/* Every setting of manta in one table: flag, environment variable, key in the YAML file, default,
 * help.
 *
 * Precedence: flag > environment > file > default. A value that does not fit its kind, an unknown
 * flag and an unknown key are errors that name the nearest right one. */
#ifndef MANTA_SETTINGS_SETTINGS_H
#define MANTA_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* The commands that a setting belongs to; a command accepts the flags of its own uses only. */
enum setting_use {
    USE_HEAD = 1 << 0,   /* head, up, config */
    USE_WORKER = 1 << 1, /* worker, up, launcher, config */
    USE_UP = 1 << 2,     /* up, config */
    USE_CLIENT = 1 << 3, /* all commands that ask a head: prompt, status, actors, scale, verify, … */
    USE_MODELS = 1 << 4, /* models */
    USE_BENCH = 1 << 5,  /* bench */
    USE_DRAIN = 1 << 6,  /* drain */
    USE_CHAOS = 1 << 7,  /* chaos */
    USE_REPLACE = 1 << 8, /* head */
    USE_PROMPT = 1 << 9, /* prompt, run */
    USE_SCALE = 1 << 10, /* scale */
    USE_LAUNCHER = 1 << 11, /* launcher, config */
    USE_DOWN = 1 << 12,  /* down */
    USE_LOGS = 1 << 13,  /* logs */
    USE_RUN = 1 << 14,   /* run */
    USE_TABLES = 1 << 15, /* status, actors, requests, models */
    USE_CONFIG = 1 << 16, /* config */
    USE_CODER = 1 << 17, /* launch */
    USE_HEALTH = 1 << 18, /* health */
    USE_STATUS = 1 << 19, /* status */
    USE_ALL = 0xfffff,
};

/* A LIST is given by repeating its flag, as a YAML list, or in the environment with commas
 * between the items. */
enum setting_kind { SETTING_TEXT, SETTING_NUMBER, SETTING_BYTES, SETTING_SWITCH, SETTING_CHOICE, SETTING_LIST };

enum {
    SETTING_ITEMS_MAX = 16,         /* of a LIST */
    SETTING_WARNINGS_BYTES_MAX = 4096,
    SETTINGS_FILE_BYTES_MAX = 1 << 20,
    SETTINGS_PATH_BYTES = 1024,     /* of the usual file, with its terminator */
};

/* clang-format off
   id, flag, YAML key, kind, default, lowest, highest (or choices), uses, help */
#define SETTINGS(S) \
    S(CONFIG, "config", NULL, SETTING_TEXT, "", 0, 0, NULL, USE_ALL, "YAML file with settings; where none is named: ~/.config/manta.yaml, if it is there (`--config=`: none)") \
    S(HOST, "host", "head.host", SETTING_TEXT, "127.0.0.1", 0, 0, NULL, USE_HEAD, "address the head listens on; other than loopback needs --api-key and --join-token") \
    S(PORT, "port", "head.port", SETTING_NUMBER, "8470", 0, 65535, NULL, USE_HEAD | USE_DOWN | USE_LOGS, "port of the head: API, status, metrics and worker links; 0: any") \
    S(API_KEY, "api-key", "head.api_key", SETTING_TEXT, "", 0, 0, NULL, USE_HEAD | USE_CLIENT | USE_BENCH, "key that clients must send (Authorization: Bearer ...); a head may have several, KEY,KEY or name: KEY,name[admin]: KEY") \
    S(JOIN_TOKEN, "join-token", "join_token", SETTING_TEXT, "", 0, 0, NULL, USE_HEAD | USE_WORKER, "token that workers must bring; on loopback, where none is given: the user's own, from the state folder") \
    S(BALANCE, "balance", "head.balance", SETTING_CHOICE, "predicted", 0, 0, "predicted|least-busy|round-robin|random|prefix", USE_HEAD, "how prompts are routed to actors") \
    S(API_KEY_FILE, "api-key-file", "head.api_key_file", SETTING_TEXT, "", 0, 0, NULL, USE_HEAD | USE_CLIENT | USE_BENCH, "file containing the API key (first line), or several, each in a line `name: key`, or `name[admin]: key` for who may drain, cordon and scale") \
    S(JOIN_TOKEN_FILE, "join-token-file", "join_token_file", SETTING_TEXT, "", 0, 0, NULL, USE_HEAD | USE_WORKER, "file containing the join token (first line)") \
    S(ALLOW_ORIGIN, "allow-origin", "head.allow_origin", SETTING_LIST, "loopback", 0, 0, NULL, USE_HEAD, "web pages that may use the head beside those of this machine (loopback): https://chat.example, null, or * for all; none: not even those; each by its own --allow-origin") \
    S(ALLOW_HOST, "allow-host", "head.allow_host", SETTING_LIST, "localhost", 0, 0, NULL, USE_HEAD, "names by which clients address the head, beside addresses, localhost and this machine's name; * for any; with --api-key any is taken") \
    S(QUEUE_JOBS, "queue-jobs", "head.queue_jobs", SETTING_NUMBER, "4096", 1, 1000000, NULL, USE_HEAD, "prompts that may wait; beyond that, requests get 429") \
    S(QUEUE_BYTES, "queue-bytes", "head.queue_bytes", SETTING_BYTES, "64m", 65536, 1ull << 40, NULL, USE_HEAD, "memory for prompts queued and running; more get 429") \
    S(ANSWER_BYTES, "answer-bytes", "head.answer_bytes", SETTING_BYTES, "64m", 1048576, 1ull << 40, NULL, USE_HEAD, "memory for answers that are not sent yet; the call with the most of them ends") \
    S(QUEUE_DEADLINE, "queue-deadline-ms", "head.queue_deadline_ms", SETTING_NUMBER, "120000", 1, 86400000, NULL, USE_HEAD, "how long a prompt may wait for an actor") \
    S(STALL, "token-stall-ms", "head.token_stall_ms", SETTING_NUMBER, "30000", 100, 86400000, NULL, USE_HEAD, "an actor busy without a token for this long is hung") \
    S(BEAT, "beat-ms", "head.beat_ms", SETTING_NUMBER, "1000", 50, 60000, NULL, USE_HEAD, "heartbeat of the workers") \
    S(LOST, "lost-after-ms", "head.lost_after_ms", SETTING_NUMBER, "3000", 100, 600000, NULL, USE_HEAD, "silence after which a worker is lost") \
    S(STATUS_EVERY, "status-every-ms", "head.status_every_ms", SETTING_NUMBER, "30000", 100, 86400000, NULL, USE_HEAD, "how often the head logs its status") \
    S(REBALANCE, "rebalance", "head.rebalance", SETTING_SWITCH, "on", 0, 0, NULL, USE_HEAD, "move an answer from a slow or crowded actor to an idle one where it would finish much sooner") \
    S(SHARE_PREFIX, "share-prefix", "head.share_prefix", SETTING_SWITCH, "off", 0, 0, NULL, USE_HEAD, "tenants use each other's cached prompts; whether an answer came quickly then tells what others have asked") \
    S(BILLING_LINE, "billing-line", "head.billing_line", SETTING_CHOICE, "drop", 0, 0, "drop|keep", USE_HEAD, "the line x-anthropic-billing-header at the beginning of Claude Code's system prompts, which changes with each request: left out, so that prompts are found in prefix caches, or kept") \
    S(LOG_REQUESTS, "log-requests", "head.log_requests", SETTING_SWITCH, "on", 0, 0, NULL, USE_HEAD, "a log line for each request: status, model, worker, tokens, times") \
    S(DRAIN_GRACE, "drain-grace", "drain_grace", SETTING_NUMBER, "8", 0, 86400, NULL, USE_HEAD | USE_WORKER, "after SIGTERM: seconds for what runs to end; then a worker's answers continue elsewhere; 0: at once") \
    S(GRACE, "grace", NULL, SETTING_NUMBER, "30", 0, 86400, NULL, USE_DRAIN, "seconds for what runs to end; then it continues elsewhere") \
    S(MOVE, "move", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_DRAIN, "what runs continues elsewhere at once, with what is computed of it") \
    S(REPLACE, "replace", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_REPLACE, "take the place of the head that runs at this --host and --port, with its connections and streams") \
    S(SCALE, "scale", "head.scale", SETTING_CHOICE, "fixed", 0, 0, "fixed|auto", USE_HEAD, "auto: the head decides by its load how many workers its launcher keeps up, between the next two; `manta scale` changes it later") \
    S(SCALE_MIN, "scale-min", "head.scale_min", SETTING_NUMBER, "0", 0, 256, NULL, USE_HEAD, "with --scale auto: the fewest workers; 0: none while there are no requests, and the first request waits until one is ready") \
    S(SCALE_MAX, "scale-max", "head.scale_max", SETTING_NUMBER, "8", 1, 256, NULL, USE_HEAD, "with --scale auto: the most workers") \
    S(SCALE_IDLE, "scale-idle", "head.scale_idle", SETTING_NUMBER, "0", 0, 86400, NULL, USE_HEAD, "with --scale auto: seconds for which fewer workers must have been enough before one is taken away; 0: three times what a start or a request takes, 180 to 300") \
    S(MIN, "min", NULL, SETTING_NUMBER, "0", 0, 256, NULL, USE_SCALE, "scale auto: the fewest workers; not given: as it is") \
    S(MAX, "max", NULL, SETTING_NUMBER, "8", 1, 256, NULL, USE_SCALE, "scale auto: the most workers; not given: as it is") \
    S(HEAD_LIMIT_MEMORY, "head-limit-memory", "head.limit_memory", SETTING_BYTES, "0", 0, 1ull << 50, NULL, USE_HEAD, "hard memory limit for the head (control group, RLIMIT_DATA); 0: none") \
    S(HEAD_LIMIT_CPUS, "head-limit-cpus", "head.limit_cpus", SETTING_NUMBER, "0", 0, 1024, NULL, USE_HEAD, "CPU limit for the head (control group); 0: none") \
    S(HEAD, "head", "worker.head", SETTING_TEXT, "127.0.0.1:8470", 0, 0, NULL, USE_WORKER | USE_CLIENT | USE_BENCH, "address of the head, HOST:PORT, or several with commas between (a worker joins all; a client uses the first that answers); a number alone is a port of this machine, so is a client's --port N") \
    S(NODE, "node", "worker.node", SETTING_TEXT, "", 0, 0, NULL, USE_WORKER | USE_HEALTH, "name of this worker; default worker-<host name>") \
    S(MODEL, "model", "worker.model", SETTING_LIST, "smollm2", 0, 0, NULL, USE_WORKER | USE_PROMPT | USE_CODER, "model: a GGUF file, a name of `manta models catalogue`, or hf:owner/repo/file.gguf; a worker may be given several, each by its own --model") \
    S(ENGINE, "engine", "worker.engine", SETTING_CHOICE, "llama", 0, 0, "llama|echo", USE_WORKER, "inference engine (echo: scripted fake for tests)") \
    S(RUN_ENGINE, "engine", NULL, SETTING_TEXT, "llama", 0, 0, NULL, USE_RUN, NULL) /* for tests: the engine of the cluster that `manta run` starts */ \
    S(LAB_MODEL, "model", NULL, SETTING_TEXT, "", 0, 0, NULL, USE_BENCH | USE_CHAOS, "model, named as for a worker; without: the echo engine's, with a script that takes time like a model") \
    S(LAB_ENGINE, "engine", NULL, SETTING_CHOICE, "auto", 0, 0, "auto|llama|echo", USE_BENCH | USE_CHAOS, "inference engine; auto: llama with a --model, else echo (scripted fake)") \
    S(CHAT_TEMPLATE, "chat-template", "worker.chat_template", SETTING_TEXT, "", 0, 0, NULL, USE_WORKER, "file with a Jinja template for chats, or `chatml`, in place of the one in the model's file") \
    S(SLOTS, "slots", "worker.slots", SETTING_NUMBER, "4", 1, 64, NULL, USE_BENCH | USE_CHAOS | USE_WORKER, "streams an actor runs at once") \
    S(CONTEXT, "context", "worker.context", SETTING_NUMBER, "0", 0, 1048576, NULL, USE_WORKER, "tokens per stream; 0: what fits, up to the model's own") \
    S(THREADS, "threads", "worker.threads", SETTING_NUMBER, "0", 0, 512, NULL, USE_WORKER, "compute threads per worker; 0: its share of the processors") \
    S(KV, "kv", "worker.kv", SETTING_CHOICE, "f16", 0, 0, "f16|q8_0|f32", USE_WORKER, "type of the KV cache") \
    S(EXACT, "exact", "worker.exact", SETTING_SWITCH, "off", 0, 0, NULL, USE_CHAOS | USE_WORKER, "same prompt and seed, same bytes, under any load (q8_0 KV cache)") \
    S(REPACK, "repack", "worker.repack", SETTING_SWITCH, "on", 0, 0, NULL, USE_WORKER, "let the CPU backend repack weights: faster for some files, but not shared between workers") \
    S(MEMORY, "memory", "worker.memory", SETTING_BYTES, "2g", 0, 1ull << 50, NULL, USE_WORKER, "memory of a worker: a model that needs more is refused, and the system lets it have no more (control group where that may be, RLIMIT_DATA); 0: any") \
    S(PREFIX_CACHE, "prefix-cache", "worker.prefix_cache", SETTING_BYTES, "1g", 0, 1ull << 50, NULL, USE_WORKER, "memory of a worker for prompts that lost their slot to others, so that they are not computed again; three quarters of what its models leave of --memory, if that is less; 0: none") \
    S(WORKER_LIMIT_MEMORY, "worker-limit-memory", "worker.limit_memory", SETTING_BYTES, "0", 0, 1ull << 50, NULL, USE_WORKER, "hard memory limit for a worker; 0: --memory itself") \
    S(WORKER_LIMIT_CPUS, "worker-limit-cpus", "worker.limit_cpus", SETTING_NUMBER, "0", 0, 1024, NULL, USE_WORKER, "CPU limit for a worker; 0: none") \
    S(LOAD_STALL, "load-stall-s", "worker.load_stall_s", SETTING_NUMBER, "120", 1, 86400, NULL, USE_WORKER, "a model whose loading makes no progress for this long is left out") \
    S(STEP_MS, "step-ms", "worker.step_ms", SETTING_NUMBER, "0", 0, 10000, NULL, USE_WORKER, "aim for a step that mixes decoding and prompt chunks; 0: the engine's choice") \
    S(OFFLINE, "offline", "models.offline", SETTING_SWITCH, "off", 0, 0, NULL, USE_WORKER | USE_MODELS, "download no model; HF_HUB_OFFLINE=1 does the same") \
    S(PULL_LIMIT, "pull-limit", "models.pull_limit", SETTING_BYTES, "60g", 0, 1ull << 50, NULL, USE_WORKER | USE_MODELS, "largest model file that is downloaded") \
    S(PULL_STALL, "pull-stall-s", "models.pull_stall_s", SETTING_NUMBER, "30", 1, 3600, NULL, USE_WORKER | USE_MODELS, "a download below 1 kB/s for this long is tried anew") \
    S(THROTTLE, "throttle", "worker.throttle", SETTING_NUMBER, "1", 1, 1000, NULL, USE_WORKER, "slow the engine down by this factor: to see an uneven cluster") \
    S(COMPARE_BALANCE, "compare-balance", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_BENCH, "each --balance on an even, an uneven and a shared-prefix load") \
    S(BENCH_LOAD, "load", NULL, SETTING_CHOICE, "all", 0, 0, "all|even|uneven|shared", USE_BENCH, "only this one") \
    S(BENCH_CALLS, "calls", NULL, SETTING_NUMBER, "100", 6, 100000, NULL, USE_BENCH, "prompts that count, of each line; against a running cluster, if not given: four for each client") \
    S(BENCH_STREAMS, "streams", NULL, SETTING_NUMBER, "6", 1, 100000, NULL, USE_BENCH, "clients that ask at the same time; against a running cluster also one, and half as many") \
    S(BENCH_SEED, "seed", NULL, SETTING_NUMBER, "1", 0, 1ull << 62, NULL, USE_BENCH | USE_CHAOS, "other prompts, other faults for each seed") \
    S(CHAOS_STREAMS, "streams", NULL, SETTING_NUMBER, "200", 1, 100000, NULL, USE_CHAOS, "answers that are compared, each with its undisturbed twin") \
    S(CHAOS_FAULTS, "faults", NULL, SETTING_NUMBER, "60", 0, 100000, NULL, USE_CHAOS, "faults, spread over the streams") \
    S(CHAOS_KINDS, "kinds", NULL, SETTING_TEXT, "kill,freeze,leave", 0, 0, NULL, USE_CHAOS, "which of kill,freeze,leave,cut,head: kill -9 or freeze a worker, ask one to leave, pull the cable of one (each is on a host of its own then; root), kill -9 a head") \
    S(CHAOS_AT_ONCE, "at-once", NULL, SETTING_NUMBER, "8", 1, 1024, NULL, USE_CHAOS, "clients that ask at the same time") \
    S(CHAOS_HEADS, "heads", NULL, SETTING_NUMBER, "1", 1, 4, NULL, USE_CHAOS, "heads; each worker joins all of them") \
    S(CHAOS_SPOIL, "debug-spoil", NULL, SETTING_CHOICE, "none", 0, 0, "none|lose|double|change", USE_CHAOS, NULL) /* damages one answer, to check that chaos finds it */ \
    S(WORKERS, "workers", "up.workers", SETTING_NUMBER, "3", 0, 256, NULL, USE_UP | USE_CHAOS | USE_LAUNCHER, "workers to keep up; for a launcher: while its head knows no other number") \
    S(ON, "on", "up.on", SETTING_TEXT, "local", 0, 0, NULL, USE_UP | USE_LAUNCHER | USE_DOWN, "engine that runs the workers; `--on help` lists them") \
    S(CLUSTER, "cluster", "up.cluster", SETTING_TEXT, "manta", 0, 0, NULL, USE_UP | USE_LAUNCHER | USE_DOWN, "name of the cluster at its engine: all that carries it is ours, and only that") \
    S(SET, "set", "up.set", SETTING_LIST, "none", 0, 0, NULL, USE_UP | USE_LAUNCHER | USE_DOWN, "an option of the engine, NAME=VALUE; several, each by its own --set") \
    S(ADDRESS, "address", "up.address", SETTING_TEXT, "", 0, 0, NULL, USE_UP | USE_LAUNCHER | USE_DOWN, "address of an engine that is asked over the network: for Ray its dashboard, http://HOST:8265; the same as --set address=...") \
    S(WORKER_HEAD, "worker-head", "up.worker_head", SETTING_TEXT, "", 0, 0, NULL, USE_UP | USE_LAUNCHER, "address at which workers on the engine find the head, where that is another one than from here") \
    S(GPUS, "gpus", "up.gpus", SETTING_NUMBER, "0", 0, 64, NULL, USE_UP | USE_LAUNCHER, "GPUs the engine is to give each worker") \
    S(NO_PROMPT, "no-prompt", "up.no_prompt", SETTING_SWITCH, "off", 0, 0, NULL, USE_UP, "stay in the foreground without a prompt") \
    S(DETACH, "detach", "up.detach", SETTING_SWITCH, "off", 0, 0, NULL, USE_UP | USE_REPLACE, "run in the background once the cluster, or the head, is ready; -d for short; `manta down` stops a cluster") \
    S(VERBOSE, "verbose", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_UP, "show the log lines of head and workers on the terminal, too") \
    S(FOLLOW, "follow", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_LOGS, "print new lines as they come, until Ctrl-C; -f for short") \
    S(TAIL, "tail", NULL, SETTING_NUMBER, "0", 0, 1000000, NULL, USE_LOGS, "print only so many of the last lines; 0: all") \
    S(TEST, "test", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_UP, "ask the test prompt once, then end") \
    S(LOG_BYTES, "log-bytes", "up.log_bytes", SETTING_BYTES, "8m", 65536, 1ull << 40, NULL, USE_UP, "size of the log file of manta up at which it becomes .log.1, and a new one is begun") \
    S(LOG_FILES, "log-files", "up.log_files", SETTING_NUMBER, "4", 1, 100, NULL, USE_UP, "log files that are kept, the current one among them") \
    S(LOG, "log", "log", SETTING_CHOICE, "info", 0, 0, "error|warn|info|trace", USE_ALL, "log level: the least important lines to print") \
    S(LOG_FORMAT, "log-format", "log_format", SETTING_CHOICE, "text", 0, 0, "text|json", USE_ALL, "form of log lines: a sentence, then event=NAME and its fields; or a JSON object") \
    S(OUTPUT, "output", NULL, SETTING_CHOICE, "text", 0, 0, "text|json|wide|yaml", USE_CLIENT | USE_BENCH | USE_CHAOS | USE_DOWN | USE_CONFIG, "form of the output: text, with every column (wide), JSON or YAML; -o for short") \
    S(WATCH, "watch", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_TABLES, "show it anew every two seconds, until Ctrl-C; -w for short") \
    S(MAX_TOKENS, "max-tokens", NULL, SETTING_NUMBER, "0", 0, 1000000, NULL, USE_PROMPT, "tokens at which an answer is cut; 0: 256 between tags, else where the context ends") \
    S(TAGS, "tags", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_PROMPT, "answers between tags also on a terminal, each prompt by itself, as in a pipe") \
    S(QUIET, "quiet", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_PROMPT, "print the answer and nothing else; -q for short") \
    S(PRINT, "print", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_CODER, "show what would be set, and the command, and start nothing") \
    S(LIMITS, "limits", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_STATUS, "show every limit with its value") \
    S(DEBUG_MAP, "debug-map", NULL, SETTING_TEXT, "", 0, 0, NULL, USE_HEAD, NULL) /* for the tests of `manta verify` */ \
    S(DEBUG_PACE, "debug-pace", NULL, SETTING_TEXT, "", 0, 0, NULL, USE_WORKER, NULL) /* a file: for tests that stop an answer in its middle */ \
    S(AGAIN, "again", NULL, SETTING_SWITCH, "off", 0, 0, NULL, USE_WORKER, NULL) /* a launcher restarted it: it had loaded its models before */ \
    S(DIE_WITH_PARENT, "die-with-parent", NULL, SETTING_NUMBER, "0", 0, 1ull << 31, NULL, USE_HEAD | USE_WORKER | USE_CLIENT, NULL)
/* clang-format on */

enum setting_id {
#define S(id, ...) SET_##id,
    SETTINGS(S)
#undef S
    SETTINGS_N
};

/* Values of SET_OUTPUT, in the order of its choices. */
enum { OUTPUT_TEXT = 0, OUTPUT_JSON, OUTPUT_WIDE, OUTPUT_YAML };

enum setting_source { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };

struct setting_value {
    char *text;                 /* owned; as given; LIST: the items, separated by commas */
    char **items;               /* owned, as each item is; NULL unless a LIST */
    uint32_t items_n;
    uint64_t number;            /* NUMBER, BYTES, SWITCH (0, 1), CHOICE (index) */
    enum setting_source source; /* where the value came from */
    char *where;                /* owned; the source for people: "--port", "config/laptop.yaml:3: head.port" */
};

struct settings {
    struct setting_value values[SETTINGS_N];
    char **args;                /* positional arguments; borrowed from argv */
    int args_n;
    bool help;                  /* --help was given */
    struct buf warnings;        /* owned; lines about ignored input, for a person to read */
};

/* Loads the defaults, then the file named by --config or MANTA_CONFIG (else the usual file, if
 * it exists), then MANTA_* variables, then flags. `uses` are the setting_use bits of the
 * command: other flags are refused, other variables are not read. argv starts behind the
 * command's name. The caller frees with settings_fini(), also after an error. */
int settings_load(struct settings *s, int argc, char **argv, unsigned uses, struct fault *f);
/* Sets all settings to their defaults. Called by settings_load(). */
void settings_init(struct settings *s);
void settings_fini(struct settings *s);

const char *setting_text(const struct settings *s, enum setting_id id);
uint64_t setting_number(const struct settings *s, enum setting_id id);
/* Returns the items of a LIST, 1 to SETTING_ITEMS_MAX; borrowed. */
const char *const *setting_items(const struct settings *s, enum setting_id id, uint32_t *out_n);
static inline bool setting_on(const struct settings *s, enum setting_id id)
{
    return setting_number(s, id) != 0;
}
/* Returns whether the output is JSON, also as YAML, of which JSON is a part. */
static inline bool setting_json(const struct settings *s)
{
    return setting_number(s, SET_OUTPUT) == OUTPUT_JSON || setting_number(s, SET_OUTPUT) == OUTPUT_YAML;
}

enum setting_kind setting_kind(enum setting_id id);
/* Returns whether the setting is hidden from people: no help, no variable. */
bool setting_is_hidden(enum setting_id id);
/* Returns the flag's name, "join-token". */
const char *setting_flag(enum setting_id id);
/* Returns ERR_USAGE when two settings, each valid alone, contradict each other. Called by
 * settings_load(). */
int settings_check(const struct settings *s, unsigned uses, struct fault *f);
/* Returns the setting_use bits of a setting. */
unsigned setting_uses(enum setting_id id);
/* Returns "--port=8470", to pass the setting on to another manta; for a LIST its i-th item. NULL
 * when there is no i-th, or the text is empty. The caller frees it. */
char *setting_as_flag(const struct settings *s, enum setting_id id, uint32_t i);

/* Prints a command's flags for --help, wrapped to `columns`: the most common ones, or `all` in
 * groups. */
void settings_print_help(unsigned uses, bool all, unsigned columns);
/* Returns "head.port"; NULL when the setting has no key in files. */
const char *setting_key(enum setting_id id);
/* Returns whether the value must not be shown. */
bool setting_is_secret(enum setting_id id);

/* Checks and sets a value, unless a stronger source has set it; a LIST grows by it. `where`
 * begins the error: "--port", "config/laptop.yaml:3". */
int setting_put(struct settings *s, enum setting_id id, const char *value, enum setting_source source, const char *where,
                struct fault *f);
/* Reads the key files, unless a stronger source gives the key itself. */
int settings_read_keys(struct settings *s, unsigned uses, struct fault *f);
/* Reads MANTA_* variables into the settings of `uses` that no flag gives, and warns of names
 * that look misspelled. */
int settings_read_env(struct settings *s, unsigned uses, struct fault *f);
/* Overwrites keys on the command line, where other users of the machine can see them. Returns
 * whether there was one. */
bool settings_hide_keys(int argc, char **argv);
/* Reads a YAML file into the settings that no stronger source gives. */
int settings_read_file(struct settings *s, const char *path, struct fault *f);
/* Writes the path of the file that is read when none is named: $XDG_CONFIG_HOME/manta.yaml, else
 * ~/.config/manta.yaml. Returns false when neither variable is set. */
bool settings_usual_file(char out[SETTINGS_PATH_BYTES]);
/* Returns the id of the setting with that YAML key, or -1; then *out_nearest is the nearest
 * known key, or NULL. */
int setting_by_key(const char *key, const char **out_nearest);
/* Returns whether keys begin with "KEY.", so that KEY is a section. */
bool setting_is_section(const char *key);

#endif
