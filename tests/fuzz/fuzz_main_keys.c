/* Any bytes as a file of keys: keys, or a sentence that names the file and says none of them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "as_file.h"
#include "head/keys.h"
#include "settings/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says which of the two files it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool token = (data[0] & 1) != 0;
    char *path = as_file(data + 1, size - 1);
    char keys[] = "--api-key-file", join[] = "--join-token-file", *argv[] = {token ? join : keys, path, NULL};
    struct settings s;
    struct fault f = {0};
    int err = settings_load(&s, 2, argv, USE_ALL, &f);
    MUST(err == f.err);
    if (err == 0)
        MUST(setting_text(&s, token ? SET_JOIN_TOKEN : SET_API_KEY)[0] != '\0');
    else
        MUST(f.text[0] != '\0');
    struct keys k = {0};
    if (err == 0 && !token && keys_parse(&k, setting_text(&s, SET_API_KEY), &f) == 0) {
        struct api_key *own = keys_find(&k, keys_own(setting_text(&s, SET_API_KEY)));
        MUST(own != NULL && (own->admin || !k.one_tenant));
        keys_fini(&k);
    }
    settings_fini(&s);
    return 0;
}
