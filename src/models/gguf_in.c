#include "models/gguf_in.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "models/show.h"

enum { BUF_BYTES = 64 << 10 };

int gguf_in_fail(struct gguf_in *in, int err, const char *fmt, ...)
{
    if (in->err)
        return in->err;
    char sentence[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    in->err = fault_set(in->f, err, "model file '%s' %s", show_path(in->path).text, sentence);
    return in->err;
}

int gguf_in_open(struct gguf_in *in, const char *path, struct fault *f)
{
    *in = (struct gguf_in){.fd = -1, .path = path, .f = f};
    /* O_NONBLOCK: opening a FIFO of that name must not block */
    in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return gguf_in_fail(in, ERR_NOT_FOUND, "does not exist");
    struct stat st;
    if (in->fd < 0 || fstat(in->fd, &st) != 0)
        return gguf_in_fail(in, ERR_IO, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return gguf_in_fail(in, ERR_MODEL, S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file");
    in->size = (uint64_t)st.st_size;
    in->buf = xalloc(BUF_BYTES);
    return 0;
}

void gguf_in_close(struct gguf_in *in)
{
    if (in->fd >= 0)
        close(in->fd);
    free(in->buf);
    *in = (struct gguf_in){.fd = -1, .err = in->err};
}

uint64_t gguf_in_left(const struct gguf_in *in)
{
    return in->err ? 0 : in->size - in->at;
}

/* Checks that the file has n more bytes. */
static int check_left(struct gguf_in *in, uint64_t n)
{
    if (!in->err && n > in->size - in->at)
        gguf_in_fail(in, ERR_MODEL, "is truncated: its header wants %s bytes at byte %s, the file has %s",
                     show_count(n).text, show_count(in->at).text, show_count(in->size).text);
    return in->err;
}

/* Fills the buffer from in->at. */
static int refill(struct gguf_in *in)
{
    ssize_t got;
    do {
        got = pread(in->fd, in->buf, BUF_BYTES, (off_t)in->at);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return gguf_in_fail(in, ERR_IO, "cannot be read: %s", strerror(errno));
    if (got == 0)
        return gguf_in_fail(in, ERR_MODEL, "became shorter while it was read");
    in->buf_at = in->at;
    in->buf_n = (size_t)got;
    return 0;
}

void gguf_in_take(struct gguf_in *in, void *out, size_t n)
{
    memset(out, 0, n);
    if (check_left(in, n))
        return;
    for (size_t done = 0; done < n;) {
        if (in->at < in->buf_at || in->at >= in->buf_at + in->buf_n)
            if (refill(in))
                return;
        size_t from = (size_t)(in->at - in->buf_at), len = in->buf_n - from;
        if (len > n - done)
            len = n - done;
        memcpy((char *)out + done, in->buf + from, len);
        done += len;
        in->at += len;
    }
}

void gguf_in_skip(struct gguf_in *in, uint64_t n)
{
    if (!check_left(in, n))
        in->at += n;
}

uint32_t gguf_in_u32(struct gguf_in *in)
{
    uint32_t v;
    gguf_in_take(in, &v, sizeof v);
    return le32toh(v);
}

uint64_t gguf_in_u64(struct gguf_in *in)
{
    uint64_t v;
    gguf_in_take(in, &v, sizeof v);
    return le64toh(v);
}

uint64_t gguf_in_text(struct gguf_in *in, char *out, size_t cap)
{
    uint64_t n = gguf_in_u64(in), hash = 0xcbf29ce484222325u; /* FNV-1a */
    size_t keep = 0;
    out[0] = '\0';
    if (check_left(in, n))
        return hash;
    for (uint64_t i = 0; i < n && !in->err; i++) {
        unsigned char c;
        gguf_in_take(in, &c, 1);
        hash = (hash ^ c) * 0x100000001b3u;
        if (keep + 1 < cap)
            out[keep++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    out[in->err ? 0 : keep] = '\0';
    return hash;
}

void gguf_in_skip_text(struct gguf_in *in)
{
    gguf_in_skip(in, gguf_in_u64(in));
}
