/* The last words of a crashing worker: tell the heads which jobs its engine was computing
 * (`crashed`).
 *
 * The frames are made when a job begins; the crash handler only fills in two numbers and writes. A
 * frame written into the middle of another one that is half sent is nonsense to the head, which
 * closes the link, as it would have anyway. */
#ifndef MANTA_WORKER_CRASH_NOTE_H
#define MANTA_WORKER_CRASH_NOTE_H

#include <stdint.h>

/* Starts reporting crashes. Call once, before the first job. */
void crash_note_begin(void);
/* Records that the link to a head is up, on this file descriptor; -1: it is down. */
void crash_note_link(uint32_t head, int fd);
/* Records that an engine is about to get a ticket, which stands for this job of that head as
 * long as the link is up. */
void crash_note_job(uint64_t ticket, uint32_t head, uint64_t job, uint32_t attempt);

#endif
