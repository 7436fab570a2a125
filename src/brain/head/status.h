/* The two status lines of the log. */
#ifndef MANTA_BRAIN_HEAD_STATUS_H
#define MANTA_BRAIN_HEAD_STATUS_H

#include <stdbool.h>

struct head;

/* Writes what has changed since they were written last; all of it when `periodic`. */
void head_status_lines(struct head *h, bool periodic);

#endif
