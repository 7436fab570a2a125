/* Reports to the supervisor that started this process how it is: the protocol of sd_notify(3), one datagram to the socket that $NOTIFY_SOCKET
 * names. systemd speaks it for units of Type=notify, and so do podman and s6. Without the variable nothing is sent. Called by the loop's
 * thread only. */
#ifndef MANTA_NET_SUPERVISOR_H
#define MANTA_NET_SUPERVISOR_H

#include <stdint.h>

enum { SUPERVISOR_ALIVE_MS = 5000 }; /* WatchdogSec= of a unit is to be a multiple of it */

/* Once, by main() before any thread. Takes the variable out of the environment: children are not the process that is supervised. */
void net_supervisor_begin(void);
/* States of sd_notify(3), one a line, as "READY=1\nSTATUS=…". What cannot be sent now is dropped. */
__attribute__((format(printf, 1, 2))) void net_supervisor_say(const char *format, ...);
/* Asked in each of a loop's periodic turns; sends WATCHDOG=1 every SUPERVISOR_ALIVE_MS, whether there is a watchdog or not: a head that takes the
 * place of another one is not told of it. */
void net_supervisor_alive(uint64_t now_us);

#endif
