/* Any bytes as a settings file: settings in their ranges, or a sentence that names the file. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "as_file.h"
#include "settings/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *path = as_file(data, size);
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
