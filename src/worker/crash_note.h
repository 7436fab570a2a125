/* The last words of a worker that crashes: which jobs its engine was computing, told to their heads (`crashed`).
 *
 * The frames are made when a job begins; the crash handler only fills in two numbers and writes. Should such a frame fall into
 * the middle of another one that is half sent, the head finds nonsense and closes the link, as it would have anyway. */
#ifndef MANTA_WORKER_CRASH_NOTE_H
#define MANTA_WORKER_CRASH_NOTE_H

#include <stdint.h>

/* From now on a crash is told. Once, before the first job. */
void crash_note_begin(void);
/* The link to that head is up, on this file descriptor; -1: it is down. */
void crash_note_link(uint32_t head, int fd);
/* An engine is about to get that ticket; it is this job of that head, for as long as the link is up. */
void crash_note_job(uint64_t ticket, uint32_t head, uint64_t job, uint32_t attempt);

#endif
