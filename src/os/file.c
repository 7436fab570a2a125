#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { STEP_MS = 20 };

/* Waits for a pipe's first byte. A pipe without a writer reads as ended, one whose writer has said nothing so far as busy.
 * Returns the byte, or EOF with errno set. */
static int first_byte(int fd)
{
    unsigned char c;
    for (int waited_ms = 0;;) {
        ssize_t n = read(fd, &c, 1);
        if (n > 0)
            return c;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return EOF;
        if (n == 0 && waited_ms >= FILE_WRITER_MS) {
            errno = ENODATA;
            return EOF;
        }
        waited_ms += n == 0 ? STEP_MS : 0;
        (void)poll(NULL, 0, STEP_MS);
    }
}

static bool is_pipe(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Opening without O_NONBLOCK would wait for a pipe's writer, and for some devices. */
FILE *file_open_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), first = EOF;
    if (fd < 0)
        return NULL;
    bool ready = !is_pipe(fd) || (first = first_byte(fd)) != EOF;
    FILE *file = ready && fcntl(fd, F_SETFL, O_RDONLY) == 0 ? fdopen(fd, "rb") : NULL;
    if (file == NULL) {
        int why = errno;
        close(fd);
        errno = why;
        return NULL;
    }
    if (first != EOF)
        ungetc(first, file);
    return file;
}

size_t file_read_text(const char *path, char *out, size_t cap)
{
    FILE *file = file_open_text(path);
    size_t n = file != NULL ? fread(out, 1, cap - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    struct str text = utf8_unmarked(str_n(out, n));
    memmove(out, text.p, text.n);
    out[text.n] = '\0';
    return text.n;
}

void file_part_name(const char *path, char *out, size_t cap)
{
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance)
        chance = (uint32_t)clock_us();
    snprintf(out, cap, "%s.%d-%08x", path, (int)getpid(), (unsigned)chance);
}

bool file_reader_is_gone(int fd)
{
    struct pollfd p = {.fd = fd};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}
