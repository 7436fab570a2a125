/* Writes the two status lines of the log. */
#ifndef MANTA_BRAIN_HEAD_STATUS_H
#define MANTA_BRAIN_HEAD_STATUS_H

#include <stdbool.h>

struct head;

/* Logs the lines that changed since they were last written; both when `periodic`. */
void head_status_lines(struct head *h, bool periodic);

#endif
