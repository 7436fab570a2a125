/* A C client of the head for the ratios of tests/engines/ray: one prompt for each line of standard input, and how long it took, in microseconds.
 *
 *     bench_calls HOST PORT API_KEY BODY      BODY: of POST /manta/process_prompt, sent again and again on one connection
 *
 * Ends with status 1, and says why, at the first call that is not answered by 200. */
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { ANSWER_BYTES_MAX = 1 << 20 };

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int fd = socket(found->ai_family, found->ai_socktype, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

/* Reads until the answer is whole, by its Content-Length. Returns its status, 0 when the connection ended or the answer is too long. */
static int read_answer(int fd, char *answer)
{
    size_t n = 0, whole = SIZE_MAX;
    while (n < whole) {
        ssize_t got = n < ANSWER_BYTES_MAX ? read(fd, answer + n, ANSWER_BYTES_MAX - n) : 0;
        if (got <= 0)
            return 0;
        n += (size_t)got;
        answer[n] = '\0';
        const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\ncontent-length:");
        if (whole == SIZE_MAX && end != NULL && length != NULL)
            whole = (size_t)(end + 4 - answer) + strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    }
    return atoi(answer + strlen("HTTP/1.1 "));
}

int main(int argc, char **argv)
{
    static char request[1 << 16], answer[ANSWER_BYTES_MAX + 1];
    if (argc != 5) {
        fprintf(stderr, "usage: bench_calls HOST PORT API_KEY BODY\n");
        return 2;
    }
    int n = snprintf(request, sizeof(request),
                     "POST /manta/process_prompt HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     argv[1], argv[2], argv[3], strlen(argv[4]), argv[4]);
    int fd = dial(argv[1], argv[2]);
    if (n < 0 || (size_t)n >= sizeof(request) || fd < 0) {
        fprintf(stderr, "bench_calls: cannot connect to %s:%s\n", argv[1], argv[2]);
        return 1;
    }
    while (getchar() != EOF) {
        uint64_t began = clock_us();
        int status = write(fd, request, (size_t)n) == n ? read_answer(fd, answer) : 0;
        uint64_t took = clock_us() - began;
        if (status != 200) {
            fprintf(stderr, "bench_calls: status %d: %.300s\n", status, answer);
            return 1;
        }
        printf("%llu\n", (unsigned long long)took);
        fflush(stdout);
    }
    return 0;
}
