/* Parse commands for one worker: drain, cordon, uncordon. */
#include "api/json_in.h"
#include "api/refuse.h"

static int read_worker(const json_t *v, struct api_availability *d, struct api_error *e)
{
    size_t n = v != NULL && json_is_string(v) ? json_string_length(v) : 0;
    if (v != NULL && !json_is_string(v))
        return api_refuse(e, ERR_INVALID, "worker", "expected a worker's name, got %s", api_json_kind(v));
    if (n == 0 || n > API_WORKER_BYTES_MAX)
        return api_refuse(e, ERR_INVALID, "worker", "expected the name of a worker, 1 to %d bytes: `manta status` shows them",
                          API_WORKER_BYTES_MAX);
    memcpy(d->worker, json_string_value(v), n + 1);
    return 0;
}

static int read_grace(const json_t *v, struct api_availability *d, struct api_error *e)
{
    if (v == NULL || json_is_null(v))
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > API_GRACE_S_MAX)
        return api_refuse(e, ERR_INVALID, "grace_s", "expected seconds, 0 to %d", API_GRACE_S_MAX);
    d->grace_s = (uint32_t)json_integer_value(v);
    return 0;
}

static int read_move(const json_t *v, struct api_availability *d, struct api_error *e)
{
    if (v != NULL && !json_is_boolean(v))
        return api_refuse(e, ERR_INVALID, "move", "expected true or false, got %s", api_json_kind(v));
    d->move = v != NULL && json_is_true(v);
    return 0;
}

int api_parse_availability(struct str body, bool graced, struct api_availability *out, struct api_error *e)
{
    json_t *root;
    int err = api_json_parse(body, &root, e);
    if (err != 0)
        return err;
    struct api_availability d = {.grace_s = API_GRACE_S};
    err = read_worker(json_object_get(root, "worker"), &d, e);
    if (err == 0 && graced)
        err = read_grace(json_object_get(root, "grace_s"), &d, e);
    if (err == 0 && graced)
        err = read_move(json_object_get(root, "move"), &d, e);
    if (err == 0)
        *out = d;
    json_decref(root);
    return err;
}
