/* Any bytes as a settings file: settings in their ranges, or a sentence that names the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"
#include "main/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("settings", MFD_CLOEXEC);
        MUST(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    MUST(ftruncate(fd, (off_t)size) == 0);
    MUST(pwrite(fd, data, size, 0) == (ssize_t)size);

    char flag[] = "--config", *argv[] = {flag, path, NULL};
    struct settings s;
    struct fault f = {0};
    int err = settings_load(&s, 2, argv, USE_ALL, &f);
    MUST(err == f.err);
    if (err == 0) {
        MUST(setting_number(&s, SET_PORT) <= 65535);
        MUST(setting_text(&s, SET_NODE) != NULL);
    } else {
        MUST(strstr(f.text, path) != NULL);
    }
    settings_fini(&s);
    return 0;
}
