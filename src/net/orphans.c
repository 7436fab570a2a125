/* The first process of a container waits for the children that nobody else waits for.
 *
 * waitid() shows one ended child at a time, so one of ours hides the orphans behind it until libuv
 * has waited for it: they are looked for at each SIGCHLD and after the end of each of ours. */
#include "net/orphans.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "net/first.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list ours = {&ours, &ours}; /* orphans_child.link */
static unsigned waiters;                  /* threads that wait for a child themselves */

static bool is_ours(pid_t pid)
{
    LIST_EACH(pos, &ours)
        if (list_item(pos, struct orphans_child, link)->pid == pid)
            return true;
    return false;
}

static void wait_for_orphans(void)
{
    siginfo_t ended = {0};
    pthread_mutex_lock(&lock);
    while (waiters == 0 && waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0 && !is_ours(ended.si_pid)) {
        waitpid(ended.si_pid, NULL, WNOHANG);
        ended.si_pid = 0;
    }
    pthread_mutex_unlock(&lock);
}

static void on_child_signal(int signum, void *user_data)
{
    (void)signum;
    (void)user_data;
    wait_for_orphans();
}

void orphans_watch(struct net_loop *l)
{
    if (!first_is_this())
        return;
    net_signal(l, SIGCHLD, on_child_signal, NULL);
    wait_for_orphans(); /* of the time before this loop */
}

void orphans_not_mine(bool begins)
{
    pthread_mutex_lock(&lock);
    waiters += begins ? 1 : -1u;
    pthread_mutex_unlock(&lock);
    if (!begins && first_is_this())
        wait_for_orphans();
}

void orphans_starts(void)
{
    pthread_mutex_lock(&lock);
}

void orphans_started(struct orphans_child *c, pid_t pid)
{
    c->pid = pid;
    if (pid > 0)
        list_push(&ours, &c->link);
    pthread_mutex_unlock(&lock);
}

void orphans_ended(struct orphans_child *c)
{
    pthread_mutex_lock(&lock);
    list_remove(&c->link);
    pthread_mutex_unlock(&lock);
    if (first_is_this())
        wait_for_orphans();
}
