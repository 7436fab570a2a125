/* Parse the command line, and read the sources of settings in their order. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "settings/settings.h"

static int unknown_flag(struct str name, unsigned uses, struct fault *f)
{
    char flag[64];
    snprintf(flag, sizeof flag, "%.*s", STR_ARG(name));
    const char *flags[SETTINGS_N + 1];
    size_t n = 0;
    for (int i = 0; i < SETTINGS_N; i++) {
        if ((setting_uses((enum setting_id)i) & uses) != 0 && !setting_is_hidden((enum setting_id)i))
            flags[n++] = setting_flag((enum setting_id)i);
    }
    flags[n++] = "help";
    const char *near = nearest_word(flag, flags, n);
    if (near != NULL)
        return fault_set(f, ERR_USAGE, "unknown flag '--%s': did you mean '--%s'?", flag, near);
    return fault_set(f, ERR_USAGE, "unknown flag '--%s': see --help for the flags there are", flag);
}

static int find_flag(const char *flag, size_t n, unsigned uses)
{
    for (int i = 0; i < SETTINGS_N; i++) {
        if (str_is(str_n(flag, n), setting_flag((enum setting_id)i)) && (setting_uses((enum setting_id)i) & uses) != 0)
            return i;
    }
    return -1;
}

/* Returns the long name of a flag: "-o" stands for "output". */
static const char *long_flag(const char *arg)
{
    static const char *const others[][2] = {{"-o", "output"}, {"-m", "model"},  {"-p", "port"}, {"--join", "head"},
                                            {"-d", "detach"}, {"-f", "follow"}, {"-n", "tail"}, {"-q", "quiet"}, {"-w", "watch"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(arg, others[i][0]) == 0)
            return others[i][1];
    }
    return arg[1] == '-' ? arg + 2 : NULL;
}

/* An unset variable of a script ("--api-key $KEY") must not start a head without keys. */
static bool is_missing(enum setting_id id, const char *value)
{
    return setting_kind(id) == SETTING_TEXT && value[0] == '\0' && id != SET_CONFIG;
}

/* Takes one flag at argv[*i]; moves *i over its value. */
static int put_flag(struct settings *s, int argc, char **argv, int *i, unsigned uses, struct fault *f)
{
    const char *arg = argv[*i], *flag = long_flag(arg);
    if (flag == NULL)
        return fault_set(f, ERR_USAGE, "unknown flag '%s': see --help for the flags there are", arg);
    size_t n = strcspn(flag, "=");
    int id = find_flag(flag, n, uses);
    if (id < 0 && (uses & (USE_CLIENT | USE_BENCH)) != 0 && str_is(str_n(flag, n), "port"))
        id = SET_HEAD; /* people expect the servers' --port here, too: a port of this machine */
    if (id < 0)
        return unknown_flag(str_n(flag, n), uses, f);
    const char *value = flag[n] == '=' ? flag + n + 1 : NULL;
    if (value == NULL && setting_kind((enum setting_id)id) == SETTING_SWITCH)
        value = "on";
    if (value == NULL && *i + 1 < argc)
        value = argv[++*i];
    if (value == NULL)
        return fault_set(f, ERR_USAGE, "%s needs a value", arg);
    char where[64];
    snprintf(where, sizeof where, "--%s", setting_flag((enum setting_id)id));
    if (is_missing((enum setting_id)id, value))
        return fault_set(f, ERR_USAGE, "%s: is empty: give it a value, or leave the flag out", where);
    return setting_put(s, (enum setting_id)id, value, FROM_FLAG, where, f);
}

static int put_flags(struct settings *s, int argc, char **argv, unsigned uses, struct fault *f)
{
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (only_args || arg[0] != '-' || arg[1] == '\0') {
            s->args[s->args_n++] = argv[i];
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_args = true;
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            s->help = true;
            continue;
        }
        int err = put_flag(s, argc, argv, &i, uses, f);
        if (err != 0)
            return err;
    }
    return 0;
}

/* Reads the named file, or the usual one if it exists; `--config=` reads none. */
static int read_files(struct settings *s, struct fault *f)
{
    char usual[SETTINGS_PATH_BYTES];
    int err = 0;
    if (s->values[SET_CONFIG].source == FROM_DEFAULT && settings_usual_file(usual) && access(usual, F_OK) == 0)
        err = setting_put(s, SET_CONFIG, usual, FROM_FILE, "its usual place", f);
    const char *path = setting_text(s, SET_CONFIG);
    return err != 0 || path[0] == '\0' ? err : settings_read_file(s, path, f);
}

int settings_load(struct settings *s, int argc, char **argv, unsigned uses, struct fault *f)
{
    settings_init(s);
    s->args = xalloc_array((size_t)argc + 1, sizeof *s->args);
    int err = put_flags(s, argc, argv, uses, f);
    if (err == 0)
        err = settings_read_env(s, uses, f); /* after the flags: a wrong value that a flag overrides is no error */
    if (err == 0)
        err = read_files(s, f);
    if (err == 0 && !s->help)
        err = settings_read_keys(s, uses, f);
    if (err == 0 && !s->help)
        err = settings_check(s, uses, f);
    return err;
}
