/* Let a child end with its parent, however the parent ends. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "launch/launch.h"

void launch_die_with_parent(int parent, bool own_group)
{
    if (parent <= 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the request for the signal: none would come */
        _exit(1);
    if (own_group) {
        setpgid(0, 0);
        signal(SIGHUP, SIG_IGN); /* the parent decides on a hang-up */
    }
}
