#include <stdio.h>

#include "client/fetch.h"
#include "client/show.h"

/* `manta scale N`: asks the head, which tells the launcher of `manta up`. */

int client_scale(const struct client_options *o, uint32_t workers)
{
    char body[48];
    struct fault f = {0};
    json_t *answer = NULL;
    snprintf(body, sizeof body, "{\"workers\":%u}", workers);
    int err = fetch_json(o, "/manta/scale", body, &answer, NULL, &f);
    if (err != 0) {
        show_fault(&f);
        return err_exit(err);
    }
    json_decref(answer);
    if (o->json)
        printf("{\"target\":%u}\n", workers);
    else
        printf("%s scaling to %u workers; `manta status` shows them join\n", show_tag("SCALE"), workers);
    return 0;
}
