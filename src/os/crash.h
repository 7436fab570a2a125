/* Write a crash report: version, signal, stack, the last log lines. */
#ifndef MANTA_OS_CRASH_H
#define MANTA_OS_CRASH_H

/* Installs the handlers for SIGSEGV, SIGABRT, SIGBUS, SIGFPE and SIGILL. The process still dies
 * of the signal, even when no reader takes stderr. */
void crash_report_init(const char *version);

#endif
