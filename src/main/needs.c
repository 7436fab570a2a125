#include "main/needs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/memory.h"

enum {
    STACK_BYTES_MIN = 512 << 10, /* settings and log lines on the stack: 100 KiB */
    STACK_BYTES = 8 << 20,       /* the systems' usual default */
    MEMORY_BYTES_MIN = 8 << 20,  /* with a head's tables */
    THREADS_MAX = 64,
};

int needs_stack(struct fault *f)
{
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) != 0 || stack.rlim_cur >= STACK_BYTES_MIN)
        return 0;
    rlim_t was = stack.rlim_cur;
    stack.rlim_cur = stack.rlim_max < STACK_BYTES ? stack.rlim_max : STACK_BYTES;
    if (stack.rlim_cur < STACK_BYTES_MIN || setrlimit(RLIMIT_STACK, &stack) != 0)
        return fault_set(f, ERR_USAGE, "the stack may take only %llu KiB, and manta needs %d: raise the limit (ulimit -s 8192, LimitSTACK=)",
                         (unsigned long long)was >> 10, STACK_BYTES_MIN >> 10);
#ifdef __GLIBC__
    pthread_attr_t attr; /* threads have the limit of the process's start */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack.rlim_cur);
    pthread_setattr_default_np(&attr);
    pthread_attr_destroy(&attr);
#endif
    return 0;
}

static bool has_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED && munmap(p, bytes) == 0;
}

static void *wait_for_all(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

static size_t stack_bytes(void)
{
    pthread_attr_t attr;
    size_t bytes = STACK_BYTES;
    pthread_attr_init(&attr);
    pthread_attr_getstacksize(&attr, &bytes);
    pthread_attr_destroy(&attr);
    return bytes;
}

int needs_places(const char *command, struct fault *f)
{
    if (access("/proc/self/exe", X_OK) != 0)
        return fault_set(f, ERR_USAGE, "/proc is not mounted, and manta %s starts its parts by it: mount -t proc proc /proc", command);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return fault_set(f, ERR_USAGE, "/dev/null cannot be opened (%s), and manta %s starts its parts with it: mount --rbind the /dev of the machine there",
                         strerror(errno), command);
    close(nothing);
    return 0;
}

int needs_check(const char *command, unsigned threads, struct fault *f)
{
    pthread_t all[THREADS_MAX];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    unsigned n = 0;
    pthread_mutex_lock(&lock);
    while (n < threads && n < THREADS_MAX && pthread_create(&all[n], NULL, wait_for_all, &lock) == 0)
        n++;
    bool stacks = n == threads, memory = has_memory(stacks ? MEMORY_BYTES_MIN : stack_bytes());
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < n; i++)
        pthread_join(all[i], NULL);
    if (!memory)
        return fault_set(f, ERR_USAGE, "too little memory is allowed, and manta %s needs %.0f MiB, most of it address space for the stacks of %u threads: "
                         "raise the limits (ulimit -v, ulimit -d)", command, mib(threads * stack_bytes() + MEMORY_BYTES_MIN), threads);
    if (!stacks)
        return fault_set(f, ERR_USAGE, "only %u more threads may run, and manta %s needs %u: raise the limit (ulimit -u, TasksMax=, pids.max)", n, command,
                         threads);
    return 0;
}
