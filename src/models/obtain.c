/* Download the file of a reference that is not here yet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/download.h"
#include "models/hub.h"
#include "models/models.h"
#include "models/reference.h"
#include "models/show.h"
#include "models/store.h"

struct models_pull models_pull_default(void)
{
    return (struct models_pull){.bytes_max = 64000000000ull, .stall_s = 30};
}

static int make_folder_of(const char *path, struct fault *f)
{
    char folder[STORE_PATH_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)(reference_basename(path) - path - 1), path);
    return folder_make(folder) == 0 ? 0 : fault_set(f, ERR_IO, "cannot make the folder '%s' for models: %m", show_path(folder).text);
}

static int bring(const char *name, struct reference *r, const struct models_pull *how, struct fault *f)
{
    char path[STORE_PATH_BYTES], url[TRANSFER_URL_BYTES], token[HUB_TOKEN_BYTES], digest[DIGEST_BYTES];
    bool asked = r->file[0] == '\0' && !store_recall_pick(r);
    int err = asked ? hub_choose(r, how->stall_s, f) : 0;
    if (err == 0)
        err = store_path(r, path, f);
    if (err == 0)
        err = make_folder_of(path, f);
    if (err == 0)
        err = hub_url(r, url, f);
    if (err != 0)
        return err;
    hub_token(url, token);
    struct transfer_text shown = transfer_show(r->url); /* without a part that may be a secret */
    struct download d = {
        .name = r->kind == REFERENCE_URL ? shown.text : name,
        .url = url,
        .token = token,
        .path = path,
        .bytes = r->entry != NULL ? r->entry->bytes : 0,
        .how = how,
    };
    memcpy(d.sha256, r->sha256, sizeof d.sha256);
    err = download(&d, digest, f);
    if (err != 0)
        return err;
    if (asked)
        store_remember_pick(r);
    if (digest[0] == '\0') /* another process brought and noted it */
        return 0;
    char *real = realpath(path, NULL);
    if (real != NULL)
        digest_remember(real, digest);
    free(real);
    return 0;
}

int models_obtain(const char *reference, const struct models_pull *how, struct model_file *out, struct fault *f)
{
    struct fault why = {0};
    struct reference r;
    int err = models_resolve(reference, out, &why);
    bool is_missing = err == ERR_NOT_FOUND && reference_parse(reference, &r, NULL) == 0 && r.kind != REFERENCE_PATH;
    if (is_missing && (how->offline || hub_offline()))
        return fault_set(f, ERR_NOT_FOUND, "%.400s; nothing is downloaded %s", why.text,
                         how->offline ? "with --offline" : "while HF_HUB_OFFLINE is set");
    if (!is_missing) {
        if (err != 0 && f != NULL)
            *f = why;
        return err;
    }
    err = bring(reference, &r, how, f);
    return err != 0 ? err : models_resolve(reference, out, f);
}
