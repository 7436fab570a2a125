/* Make hosts for a measurement: network namespaces on one switch, each with a cable that can be
 * pulled. For root only. */
#ifndef MANTA_LAB_HOSTS_H
#define MANTA_LAB_HOSTS_H

#include <stdint.h>

#include "base/err.h"
#include "net/net.h"

enum { HOSTS_MAX = 200 };

struct hosts;
/* Makes n hosts; blocks for about 10 ms per run of `ip`. NULL with f when this process lacks the
 * rights or `ip` is missing; then nothing is left behind. */
struct hosts *hosts_new(uint32_t n, struct fault *f);
/* Removes all hosts; a process still running on one is cut off for good. NULL is allowed. */
void hosts_free(struct hosts *h);
/* This process's address on the switch. */
const char *hosts_address(const struct hosts *h);
/* "--net=/run/netns/…": the flag with which nsenter starts a program on that host. */
const char *hosts_flag(const struct hosts *h, uint32_t host);
/* Pulls a host's cable, or puts it back. Its peers see neither FIN nor RST. on_exit as in
 * net_child_config. ERR_IO with f. */
int hosts_cable(struct hosts *h, uint32_t host, bool in, struct net_loop *loop,
                void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data), void *user_data, struct fault *f);

#endif
