#include <stdio.h>

#include "client/fetch.h"

/* Who has the port that we wanted? */

enum { WHO_MS = 3000 };

bool client_who(const struct client_options *o, char *out, size_t cap)
{
    struct client_options quick = *o;
    struct fault f = {0};
    json_t *status = NULL;
    quick.patience_ms = WHO_MS;
    int err = fetch_json(&quick, "/manta/status", NULL, &status, NULL, &f);
    double pid = json_num(json_object_get(status, "head"), "pid");
    bool manta = err == ERR_AUTH || pid > 0;
    if (pid > 0)
        snprintf(out, cap, "a cluster of manta (head pid %.0f, %.0f workers)", pid, json_num(status, "workers"));
    else
        snprintf(out, cap, "%s", err == ERR_AUTH ? "a head that wants another API key" : "another program");
    json_decref(status);
    return manta;
}
