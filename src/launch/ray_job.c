#include "launch/ray_job.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096, ENTRYPOINT_BYTES_MAX = 16384 };

/* ---- the job ---- */

/* Appends one quoted word of a shell command. */
static void put_word(struct buf *b, const char *word)
{
    buf_puts(b, " '");
    for (const char *p = word; *p != '\0'; p++) {
        if (*p == '\'')
            buf_puts(b, "'\\''");
        else
            buf_putc(b, *p);
    }
    buf_putc(b, '\'');
}

static void put_flag(struct buf *b, const char *flag, const char *value)
{
    buf_printf(b, " %s", flag);
    put_word(b, value);
}

/* Appends an argument that `python -m manta.ray` does not know, for the native program. */
static void put_passed_on(struct buf *b, const char *prefix, const char *arg)
{
    char word[1024];
    snprintf(word, sizeof word, "%s%s", prefix, arg);
    put_word(b, word);
}

/* `python -m manta.ray up` has some flags of `manta worker` itself, or sets them; the others are
 * passed on. */
static void put_worker_args(struct buf *b, const char *const *args)
{
    for (size_t i = 1; args != NULL && args[0] != NULL && args[i] != NULL; i++) {
        const char *flag = args[i], *value = args[i + 1];
        if (strcmp(flag, "--head") == 0 || strcmp(flag, "--memory") == 0 || strcmp(flag, "--threads") == 0) {
            i += value != NULL;
        } else if ((strcmp(flag, "--model") == 0 || strcmp(flag, "--engine") == 0) && value != NULL) {
            put_flag(b, flag, value);
            i++;
        } else {
            put_passed_on(b, "--worker-arg=", flag);
        }
    }
}

static void put_head_args(struct buf *b, const char *const *args)
{
    for (size_t i = 1; args != NULL && args[0] != NULL && args[i] != NULL; i++) {
        const char *flag = args[i], *value = args[i + 1];
        if (strcmp(flag, "--host") == 0) {
            i += value != NULL; /* the address of its node */
        } else if (strcmp(flag, "--port") == 0 && value != NULL) {
            put_flag(b, flag, value);
            i++;
        } else {
            put_passed_on(b, "--head-arg=", flag);
        }
    }
}

static void write_entrypoint(struct buf *b, const struct launcher *l, bool takes_down, unsigned wait_s)
{
    const struct launcher_config *cfg = &l->cfg;
    const char *label = launcher_option_value(l, "label");
    buf_printf(b, "exec python -m manta.ray %s --cluster", takes_down ? "down" : "up");
    put_word(b, cfg->cluster);
    if (takes_down)
        return;
    buf_printf(b, " --ship never --workers %u --wait %u", cfg->workers, wait_s);
    if (cfg->threads > 0)
        buf_printf(b, " --cpus %u", cfg->threads);
    if (cfg->memory_bytes > 0)
        buf_printf(b, " --memory %llu", (unsigned long long)cfg->memory_bytes);
    if (cfg->gpus > 0)
        buf_printf(b, " --gpus %u", cfg->gpus);
    if (label[0] != '\0')
        put_flag(b, "--label", label);
    put_worker_args(b, cfg->worker_args);
    put_head_args(b, cfg->head_args);
}

/* Secrets travel as variables of the job; a user who can read Ray's jobs can run programs on its
 * nodes anyway. */
static json_t *job_variables(const struct launcher_config *cfg)
{
    static const char *const names[] = {"MANTA_API_KEY", "MANTA_JOIN_TOKEN", "HF_TOKEN"};
    const char *const *lists[] = {cfg->worker_env, cfg->head_env};
    json_t *variables = json_object();
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; lists[k] != NULL && lists[k][i] != NULL; i++)
            for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
                size_t bytes = strlen(names[n]);
                const char *value = lists[k][i];
                if (strncmp(value, names[n], bytes) == 0 && value[bytes] == '=' && value[bytes + 1] != '\0')
                    json_object_set_new(variables, names[n], json_string(value + bytes + 1));
            }
    return variables;
}

/* ---- the package ---- */

static bool is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

/* Finds the folder of the Python package: the program's own, if it lies in the package's bin/; a
 * source checkout's; or the one of `make install`. */
static bool find_package(const char *program, char *out, size_t cap)
{
    static const char *const places[] = {"..", "../../python/manta", "python/manta"};
    char folder[PATH_BYTES], probe[PATH_BYTES + 64];
    snprintf(folder, sizeof folder, "%s", program);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(probe, sizeof probe, "%s/%s/ray/cluster.py", folder, places[i]);
        if (is_file(probe) && snprintf(out, cap, "%s/%s", folder, places[i]) < (int)cap)
            return true;
    }
    return false;
}

static int pack_own(struct zip *z, const char *program, struct fault *f)
{
    char folder[PATH_BYTES], engine[PATH_BYTES + 64];
    if (!find_package(program, folder, sizeof folder))
        return fault_set(f, ERR_NOT_FOUND, "the Python package manta is not with '%s': `--set package=FILE.whl` names one, "
                         "`--set package=none` says that the nodes have it", program);
    int err = zip_add_folder(z, folder, "manta", f);
    snprintf(engine, sizeof engine, "%s/bin/manta", folder);
    if (err == 0 && !is_file(engine)) {
        err = zip_add(z, program, "manta/bin/manta", f);
        snprintf(engine, sizeof engine, "%.*s/manta-engine-llama.so", (int)(strrchr(program, '/') - program), program);
        if (err == 0 && is_file(engine))
            err = zip_add(z, engine, "manta/bin/manta-engine-llama.so", f);
    }
    return err == 0 ? zip_end(z, f) : err;
}

int ray_job_pack(struct zip *z, const struct launcher *l, char name[static RAY_PACKAGE_BYTES], struct fault *f)
{
    const char *named = launcher_option_value(l, "package");
    name[0] = '\0';
    if (strcmp(named, "none") == 0)
        return 0;
    zip_fini(z);
    *z = zip_begin();
    int err = named[0] != '\0' ? zip_read(z, named, f) : pack_own(z, l->cfg.program, f); /* a wheel is a zip with its files at the root */
    if (err == 0)
        snprintf(name, RAY_PACKAGE_BYTES, "manta-%08x.zip", zip_crc(buf_str(&z->out)));
    return err;
}

void ray_job_write(struct buf *out, const struct launcher *l, const char *id, const char *package, bool takes_down, unsigned wait_s)
{
    struct buf entrypoint = buf_max(ENTRYPOINT_BYTES_MAX);
    char uri[64];
    write_entrypoint(&entrypoint, l, takes_down, wait_s);
    json_t *environment = json_pack("{s:o}", "env_vars", job_variables(&l->cfg));
    if (package[0] != '\0') {
        snprintf(uri, sizeof uri, "gcs://%s", package);
        json_object_set_new(environment, "working_dir", json_string(uri));
    }
    json_t *job = json_pack("{s:s, s:s, s:o, s:{s:s}}", "entrypoint", buf_cstr(&entrypoint), "submission_id", id, "runtime_env", environment,
                            "metadata", "manta_cluster", l->cfg.cluster);
    char *text = json_dumps(job, JSON_COMPACT);
    buf_puts(out, text);
    free(text);
    json_decref(job);
    buf_fini(&entrypoint);
}
