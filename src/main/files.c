#include "main/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

void files_open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return; /* no /dev/null either */
    }
}

int files_check(const char *command, unsigned wanted, struct fault *f)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    unsigned left = 0, all = limit.rlim_cur < 65536 ? (unsigned)limit.rlim_cur : 65536;
    for (unsigned fd = 0; fd < all && left < wanted; fd++)
        left += fcntl((int)fd, F_GETFD) < 0;
    if (left >= wanted)
        return 0;
    return fault_set(f, ERR_USAGE, "only %u files may be open at once, and manta %s needs %u: raise the limit (ulimit -n %u, LimitNOFILE=)",
                     all, command, all - left + wanted, all - left + wanted > 1024 ? all - left + wanted : 1024);
}
