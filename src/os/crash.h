/* A crash says what happened: version, signal, stack, the last log lines. */
#ifndef MANTA_OS_CRASH_H
#define MANTA_OS_CRASH_H

/* Installs the handlers for SIGSEGV, SIGABRT, SIGBUS, SIGFPE and SIGILL; the process still dies of the signal, also
 * when nobody reads stderr. */
void crash_report_init(const char *version);

#endif
