/* Other hosts for a measurement: network namespaces on one switch, each with a cable that can be pulled. For root only. */
#ifndef MANTA_LAB_HOSTS_H
#define MANTA_LAB_HOSTS_H

#include <stdint.h>

#include "base/err.h"
#include "net/net.h"

enum { HOSTS_MAX = 200 };

struct hosts;
/* NULL with f when this process may not, or `ip` is not there; nothing is left behind then. Waits for `ip`: some 10 ms each. */
struct hosts *hosts_new(uint32_t n, struct fault *f);
/* Removes all of it; who still runs there is cut off for good. NULL is fine. */
void hosts_free(struct hosts *h);
/* Our own address on the switch. */
const char *hosts_address(const struct hosts *h);
/* "--net=/run/netns/…", for nsenter to begin a program on that host. */
const char *hosts_flag(const struct hosts *h, uint32_t host);
/* Pulls the cable, or puts it back: nobody is told, neither by FIN nor by RST. on_exit as in net_child_config. ERR_IO with f. */
int hosts_cable(struct hosts *h, uint32_t host, bool in, struct net_loop *loop,
                void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data), void *user_data, struct fault *f);

#endif
