#include "models/download.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "models/hub.h"
#include "models/part.h"
#include "models/show.h"
#include "models/transfer.h"

enum { TELL_EVERY_US = 100000 };

struct task {
    const struct download *d;
    struct part part;
    uint64_t total;          /* announced or required; 0: unknown */
    char sha256[DIGEST_BYTES]; /* required or announced; empty: neither */
    bool resumed;            /* some bytes come from an earlier try */
    bool restarted;          /* one fresh start was made, because the .part might have been of another file */
    bool fresh;              /* restart from the first byte at the next try */
    uint64_t began_us, began_bytes, told_us; /* for the speed and the interval of progress */
};

/* ---- progress ---- */

static void tell(struct task *t, enum models_progress_kind kind, uint32_t pause_ms, const char *why)
{
    const struct models_pull *how = t->d->how;
    uint64_t now = clock_us(), spent = now - t->began_us, got = t->part.bytes - (t->part.bytes < t->began_bytes ? t->part.bytes : t->began_bytes);
    if (how->on_progress == NULL || (kind == MODELS_LOADING && now - t->told_us < TELL_EVERY_US))
        return;
    t->told_us = now;
    struct models_progress p = {
        .kind = kind,
        .name = t->d->name,
        .done = t->part.bytes,
        .total = t->total,
        .bytes_per_s = spent > 0 ? (uint64_t)((double)got * 1e6 / (double)spent) : 0,
        .pause_ms = pause_ms,
        .why = why,
    };
    how->on_progress(&p, how->user_data);
}

static void tell_waiting(void *user_data)
{
    tell(user_data, MODELS_WAITING, 0, "");
}

/* ---- the announcement ---- */

static int refuse_sizes(struct task *t, const char *who, uint64_t size, uint64_t other, struct fault *f)
{
    return fault_set(f, ERR_MODEL, "%s: the answer has %s bytes, but %s says %s: refused", transfer_show(t->d->url).text, show_count(size).text, who,
                     show_count(other).text);
}

/* Determines the size of the whole file; all announced sizes must agree. */
static int check_sizes(struct task *t, const struct transfer_head *h, uint64_t start, struct fault *f)
{
    uint64_t size = h->status == 206 ? h->range_total : h->length;
    if (size == TRANSFER_UNKNOWN && h->length != TRANSFER_UNKNOWN)
        size = start + h->length;
    if (size == TRANSFER_UNKNOWN)
        size = h->linked_size;
    if (size == TRANSFER_UNKNOWN)
        size = t->d->bytes != 0 ? t->d->bytes : TRANSFER_UNKNOWN;
    t->total = 0;
    if (size == TRANSFER_UNKNOWN)
        return 0;
    if (h->length != TRANSFER_UNKNOWN && start + h->length != size)
        return refuse_sizes(t, "its own range", start + h->length, size, f);
    if (h->linked_size != TRANSFER_UNKNOWN && h->linked_size != size)
        return refuse_sizes(t, "the hub", size, h->linked_size, f);
    if (t->d->bytes != 0 && t->d->bytes != size)
        return refuse_sizes(t, "the catalogue", size, t->d->bytes, f);
    t->total = size;
    if (size > t->d->how->bytes_max)
        return fault_set(f, ERR_TOO_LARGE, "%s has %s bytes, the limit for a download is %s: --pull-limit raises it", transfer_show(t->d->url).text,
                         show_count(size).text, show_count(t->d->how->bytes_max).text);
    return 0;
}

static int check_disk(const struct task *t, struct fault *f)
{
    struct statvfs disk;
    if (t->total == 0 || statvfs(t->part.part, &disk) != 0)
        return 0;
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize, left = t->total > t->part.bytes ? t->total - t->part.bytes : 0;
    if (left + DOWNLOAD_SPARE_BYTES <= free_bytes)
        return 0;
    return fault_set(f, ERR_IO, "%s needs %s more bytes on the disk of '%s', which has %s: free some, or let MANTA_MODELS_DIR be elsewhere",
                     t->d->name, show_count(left).text, show_path(t->part.path).text, show_count(free_bytes).text);
}

static int check_digest_announced(struct task *t, const struct transfer_head *h, struct fault *f)
{
    snprintf(t->sha256, sizeof t->sha256, "%s", t->d->sha256[0] != '\0' ? t->d->sha256 : h->linked_sha256);
    if (h->linked_sha256[0] == '\0' || strcmp(t->sha256, h->linked_sha256) == 0)
        return 0;
    return fault_set(f, ERR_MODEL, "%s: the hub has a file with a SHA-256 that begins %.12s, wanted is %.12s: refused",
                     transfer_show(t->d->url).text, h->linked_sha256, t->sha256);
}

static int on_head(const struct transfer_head *h, void *user_data, struct fault *f)
{
    struct task *t = user_data;
    if (h->status == 416 && h->range_total == t->part.bytes && (t->total == 0 || t->total == h->range_total)) {
        t->total = h->range_total; /* all bytes are here: an earlier process ended just before the last step */
        t->resumed = true;
        return check_digest_announced(t, h, f);
    }
    if (h->status == 416) { /* the local bytes are not the beginning of the hub's file */
        t->fresh = true;
        if (t->total != 0 && h->range_total < t->total)
            return fault_set(f, ERR_MODEL, "%s announced %s bytes, and has %s: refused", transfer_show(t->d->url).text, show_count(t->total).text,
                             show_count(h->range_total).text);
        return fault_set(f, ERR_MODEL, "%s has %s bytes, of which %s are here already: they are not of one file", transfer_show(t->d->url).text,
                         h->range_total != TRANSFER_UNKNOWN ? show_count(h->range_total).text : "fewer", show_count(t->part.bytes).text);
    }
    if (h->status != 200 && h->status != 206)
        return hub_refusal(t->d->url, h, t->d->token[0] != '\0', f);
    if (strncmp(h->type, "text/", 5) == 0 || strcmp(h->type, "application/json") == 0 || strcmp(h->type, "application/xhtml+xml") == 0)
        return fault_set(f, ERR_MODEL, "%s is not a model: the answer is '%s', a page or a message instead of a file", transfer_show(t->d->url).text,
                         h->type);
    bool from_start = h->status == 200;
    if (!from_start && h->range_start != t->part.bytes) {
        t->fresh = true;
        return fault_set(f, ERR_MODEL, "%s: asked for the bytes from %s on, others came", transfer_show(t->d->url).text, show_count(t->part.bytes).text);
    }
    int err = from_start && t->part.bytes > 0 ? part_restart(&t->part, f) : 0;
    if (err == 0)
        err = check_digest_announced(t, h, f);
    if (err == 0)
        err = check_sizes(t, h, t->part.bytes, f);
    if (err == 0)
        err = check_disk(t, f);
    if (err != 0)
        return err;
    t->resumed = t->part.bytes > 0;
    part_note_etag(&t->part, strncmp(h->etag, "W/", 2) == 0 ? "" : h->etag); /* a weak one does not promise the same
                                                                                bytes */
    t->began_us = clock_us();
    t->began_bytes = t->part.bytes;
    tell(t, t->resumed ? MODELS_RESUMED : MODELS_STARTED, 0, "");
    return 0;
}

/* ---- bytes ---- */

static int on_body(const void *p, size_t n, void *user_data, struct fault *f)
{
    struct task *t = user_data;
    uint64_t before = t->part.bytes, most = t->total != 0 ? t->total : t->d->how->bytes_max;
    if (before > most || n > most - before) {
        part_remove(&t->part);
        return fault_set(f, ERR_MODEL, "%s sends more than the %s bytes it %s: refused", transfer_show(t->d->url).text, show_count(most).text,
                         t->total != 0 ? "announced" : "may have");
    }
    int err = part_write(&t->part, p, n, f);
    if (err != 0)
        return err;
    if (before < 4 && t->part.bytes >= 4 && memcmp(t->part.first, "GGUF", 4) != 0) {
        part_remove(&t->part);
        return fault_set(f, ERR_MODEL, "%s is not a model: it begins with '%s', a GGUF file with 'GGUF'", transfer_show(t->d->url).text,
                         show_bytes(t->part.first, 4).text);
    }
    tell(t, MODELS_LOADING, 0, "");
    return 0;
}

/* ---- tries ---- */

/* Makes one request. *out_again: another try may help. */
static int try_once(struct task *t, bool *out_again, uint32_t *out_wait_ms, struct fault *f)
{
    if (t->fresh) {
        t->fresh = false;
        t->restarted = true;
        int err = part_restart(&t->part, f);
        if (err != 0)
            return err;
    }
    if (t->part.bytes > 0 && t->part.bytes == t->total) /* complete; a Range beyond the end would be refused */
        return 0;
    struct transfer r = {
        .url = t->d->url,
        .token = t->d->token,
        .from = t->part.bytes,
        .if_range = t->part.etag,
        .stall_s = t->d->how->stall_s,
        .on_head = on_head,
        .on_body = on_body,
        .user_data = t,
    };
    int err = transfer_run(&r, f), status = r.head.status;
    *out_again = r.again || status == 408 || status == 429 || status >= 500 || (t->fresh && !t->restarted);
    *out_wait_ms = r.head.retry_after_s < DOWNLOAD_PAUSE_MS_MAX / 1000 ? r.head.retry_after_s * 1000 : DOWNLOAD_PAUSE_MS_MAX;
    if (err == 0 && t->total != 0 && t->part.bytes < t->total) {
        *out_again = true;
        err = fault_set(f, ERR_NET, "%s ended after %s of %s bytes", transfer_show(t->d->url).text, show_count(t->part.bytes).text, show_count(t->total).text);
    }
    return err;
}

static void sleep_ms(uint32_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int fetch(struct task *t, struct fault *f)
{
    uint32_t pause_ms = DOWNLOAD_PAUSE_MS;
    int left = DOWNLOAD_TRIES;
    for (int tries = 0;; tries++) {
        bool again = false;
        uint32_t wait_ms = 0;
        uint64_t before = t->part.bytes;
        int err = try_once(t, &again, &wait_ms, f);
        if (err == 0)
            return 0;
        if (t->part.bytes > before + DOWNLOAD_PROGRESS_BYTES) {
            left = DOWNLOAD_TRIES;
            pause_ms = DOWNLOAD_PAUSE_MS;
        }
        if (!again || --left <= 0 || tries >= DOWNLOAD_TRIES_MAX)
            return err;
        uint32_t ms = wait_ms > pause_ms ? wait_ms : pause_ms;
        tell(t, MODELS_PAUSED, ms, f->text);
        sleep_ms(ms);
        pause_ms = pause_ms < DOWNLOAD_PAUSE_MS_MAX / 2 ? pause_ms * 2 : DOWNLOAD_PAUSE_MS_MAX;
    }
}

/* ---- the end ---- */

static int check_whole(struct task *t, char out[DIGEST_BYTES], struct fault *f)
{
    struct gguf_facts facts;
    struct fault why = {0};
    tell(t, MODELS_CHECKING, 0, "");
    part_digest(&t->part, out);
    if (t->sha256[0] != '\0' && strcmp(out, t->sha256) != 0)
        return fault_set(f, ERR_MODEL, "%s: what came has a SHA-256 that begins %.12s and should begin %.12s: removed", transfer_show(t->d->url).text, out,
                         t->sha256);
    int err = gguf_read(t->part.part, &facts, &why);
    return err == 0 ? 0 : fault_set(f, err, "%s is no usable model: %s", transfer_show(t->d->url).text, why.text);
}

static int bring(struct task *t, char out[DIGEST_BYTES], struct fault *f)
{
    int err = part_open(&t->part, f);
    for (int round = 0; err == 0; round++) {
        err = fetch(t, f);
        if (err != 0)
            return err;
        err = check_whole(t, out, f);
        if (err == 0)
            err = store_pin(t->d->path, out, f); /* before the rename: a file with its final name always has its
                                                    digest */
        if (err == 0)
            return part_finish(&t->part, f);
        if (!t->resumed || t->restarted || round > 0)
            break;
        t->fresh = true; /* the .part may have been of another file: once more, from the beginning */
        err = 0;
    }
    if (t->part.fd >= 0)
        part_remove(&t->part);
    return err;
}

int download(const struct download *d, char out[DIGEST_BYTES], struct fault *f)
{
    struct task t = {.d = d};
    struct fault why = {0}; /* progress needs the reason, even when f is NULL */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    out[0] = '\0';
    sigaction(SIGXFSZ, &ignore, &before); /* makes a file size limit an error, as a full disk is */
    int err = part_lock(&t.part, d->path, tell_waiting, &t, &why);
    bool here = err == 0 && access(d->path, F_OK) == 0; /* the process that held the lock brought it */
    if (err == 0 && !here)
        err = bring(&t, out, &why);
    if (err == 0)
        tell(&t, MODELS_DONE, 0, "");
    else if (t.part.fd >= 0 && t.part.bytes == 0) /* nothing to resume */
        part_remove(&t.part);
    part_close(&t.part);
    sigaction(SIGXFSZ, &before, NULL);
    if (err != 0 && f != NULL)
        *f = why;
    return err;
}
