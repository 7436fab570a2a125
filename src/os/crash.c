#include "os/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/last_words.h"
#include "os/mapped.h"

enum { REPORT_S = 5 }; /* time for the reader of stderr: a crashed process must not hang because no reader takes the
                          report */

static const char *crash_version;
static volatile sig_atomic_t crash_signum;

/* Ends the process by a signal whose handler was removed. The kernel delivers none to the first
 * process of a container. */
static void end(int signum)
{
    raise(signum);
    _exit(128 + signum);
}

static void on_stuck(int signum)
{
    (void)signum;
    signal(crash_signum, SIG_DFL);
    end(crash_signum);
}

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

/* Returns whether the kernel or abort() raised the signal, not `kill -SEGV`. */
static bool own_fault(const siginfo_t *info)
{
    return info->si_code > 0 || (info->si_code == SI_TKILL && info->si_pid == getpid());
}

static void handle(int signum);

/* A model file that becomes shorter is no crash: its user checks for the loss. */
static bool is_mended(int signum, const siginfo_t *info)
{
    if (signum != SIGBUS || info->si_code != BUS_ADRERR || !mapped_mend(info->si_addr))
        return false;
    handle(SIGBUS); /* SA_RESETHAND has removed the handler */
    return true;
}

/* Makes only calls that are safe in a signal handler. */
static void on_crash(int signum, siginfo_t *info, void *context)
{
    (void)context;
    if (is_mended(signum, info))
        return;
    void *frames[64];
    crash_signum = signum;
    signal(SIGALRM, on_stuck);
    alarm(REPORT_S);
    say("\n=== manta crash report: cut from here ===\nversion ");
    say(crash_version);
    say(", signal ");
    char digits[3] = {(char)('0' + signum / 10), (char)('0' + signum % 10), '\0'};
    say(digits);
    say("\n");
    if (own_fault(info))
        last_words_say(signum);
    say("stack:\n");
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    say("last log lines:\n");
    log_dump(STDERR_FILENO);
    say("=== to here, and please report it ===\n");
    end(signum);
}

static void handle(int signum)
{
    struct sigaction sa = {.sa_sigaction = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_SIGINFO)};
    sigemptyset(&sa.sa_mask);
    sigaction(signum, &sa, NULL);
}

void crash_report_init(const char *version)
{
    static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
    void *warm[1];
    crash_version = version;
    backtrace(warm, 1); /* the first call loads a library, which a handler must not */
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        handle(signals[i]);
}
