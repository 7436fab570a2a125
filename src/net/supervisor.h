/* Report this process's state to the supervisor that started it.
 *
 * The protocol is sd_notify(3): one datagram to the socket that $NOTIFY_SOCKET names. systemd
 * speaks it for units of Type=notify, and so do podman and s6. Without the variable nothing is
 * sent. Call only from the loop's thread. */
#ifndef MANTA_NET_SUPERVISOR_H
#define MANTA_NET_SUPERVISOR_H

#include <stdint.h>

enum { SUPERVISOR_ALIVE_MS = 5000 }; /* WatchdogSec= of a unit should be a multiple of it */

/* Called once by main(), before any thread. Removes the variable from the environment: children
 * are not the supervised process. */
void net_supervisor_begin(void);
/* Sends states of sd_notify(3), one a line, as "READY=1\nSTATUS=…". Drops what cannot be sent
 * now. */
__attribute__((format(printf, 1, 2))) void net_supervisor_say(const char *format, ...);
/* Sends WATCHDOG=1 every SUPERVISOR_ALIVE_MS; call it in each periodic turn of a loop. Sends
 * even without a watchdog, because a head that takes another's place is not told whether there
 * is one. */
void net_supervisor_alive(uint64_t now_us);

#endif
