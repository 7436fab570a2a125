/* Find an engine's module and load it.
 *
 * A name is "echo", which is part of the program, or refers to manta-engine-<name>.so: beside the
 * program, then in MANTA_ENGINE_DIR, and nowhere else, so that no library path can substitute
 * another engine. A name with a '/' is used as a path. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"

enum { PATH_BYTES_MAX = 1024 };

/* The folder of the running program; false if the system does not tell. */
static bool program_dir(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

static bool is_in(const char *dir, const char *name, char *out)
{
    int n = snprintf(out, PATH_BYTES_MAX, "%s/manta-engine-%s.so", dir, name);
    return n > 0 && n < PATH_BYTES_MAX && access(out, R_OK) == 0;
}

static int find(const char *name, char *out, struct fault *f)
{
    char dir[PATH_BYTES_MAX] = "";
    const char *extra = getenv("MANTA_ENGINE_DIR");
    if (program_dir(dir, sizeof dir) && is_in(dir, name, out))
        return 0;
    if (extra != NULL && extra[0] != '\0' && is_in(extra, name, out))
        return 0;
    return fault_set(f, ERR_NOT_FOUND,
                     "no engine '%s': manta-engine-%s.so is neither in %s nor in MANTA_ENGINE_DIR (%s); 'echo' needs none",
                     name, name, dir, extra != NULL && extra[0] != '\0' ? extra : "not set");
}

/* The threads of one decode call synchronize about 300 times, each time for a few microseconds, and
 * GNU OpenMP's threads spin while they wait. The default spins for about a millisecond; on a
 * machine that does anything else, the spinning threads then occupy the core that the awaited
 * thread needs. 1000 iterations are a few microseconds: the same speed on an idle machine (98
 * tokens/s, 2 threads), ten times the speed on a busy one. GNU OpenMP reads the variable once, when
 * it is loaded with the module. */
static void spin_less(void)
{
    setenv("GOMP_SPINCOUNT", "1000", 0);
}

static int load(const char *path, const struct engine_ops **out, struct fault *f)
{
    spin_less();
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL)
        return fault_set(f, ERR_FAILED, "cannot load engine module: %s", dlerror());
    const struct engine_ops *(*door)(void);
    *(void **)&door = dlsym(module, ENGINE_SYMBOL);
    if (door == NULL) {
        dlclose(module);
        return fault_set(f, ERR_VERSION, "'%s' is not an engine module: it has no %s()", path, ENGINE_SYMBOL);
    }
    const struct engine_ops *ops = door();
    if (ops->abi != ENGINE_ABI) {
        uint32_t abi = ops->abi;
        dlclose(module);
        return fault_set(f, ERR_VERSION, "engine module '%s' speaks version %u of the engine interface, this manta %d", path,
                         abi, ENGINE_ABI);
    }
    *out = ops;
    return 0;
}

int engine_open(const char *name, const struct engine_ops **out, struct fault *f)
{
    char path[PATH_BYTES_MAX];
    if (strcmp(name, "echo") == 0) {
        *out = engine_echo();
        return 0;
    }
    if (strchr(name, '/') != NULL)
        return load(name, out, f);
    int err = find(name, path, f);
    return err != 0 ? err : load(path, out, f);
}
