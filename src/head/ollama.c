/* Other endpoints of Ollama's clients: version, one model, and changes of model files. */
#include "api/dialect.h"
#include "head/state.h"

/* Clients choose endpoints by it, so this is Ollama's version whose API is implemented here. */
#define OLLAMA_VERSION "0.13.5"

void reply_ollama_version(struct head_program *p, struct http_request *r)
{
    buf_reset(&p->json);
    buf_printf(&p->json, "{\"version\":\"" OLLAMA_VERSION "\",\"manta\":\"%s\"}", p->o->version);
    reply_json(p, r, 200, NULL);
}

void reply_ollama_show(struct head_program *p, struct http_request *r)
{
    struct api_error e = {0};
    struct buf model = buf_max(API_FIELD_BYTES_MAX);
    buf_reset(&p->json);
    if (api_parse_show(http_body(r), &model, &e) != 0) {
        reply_api_error(p, r, &e);
    } else if (write_model(p, buf_str(&model), reply_dialect(r))) {
        reply_json(p, r, 200, NULL);
    } else {
        struct fault f;
        fault_set(&f, ERR_NOT_FOUND, "model '%.*s' not found: GET /api/tags lists what there is", STR_ARG(buf_str(&model)));
        reply_fault(p, r, &f);
    }
    buf_fini(&model);
}

/* Returns the command to use instead of an endpoint that changes models: a head has none, each
 * worker has its own. */
static const char *instead_of(struct str path)
{
    static const struct { const char *path, *instead; } ways[] = {
        {"/api/pull", "`manta models pull NAME` downloads a model to the machine it is called on, `manta worker --model NAME` there serves it"},
        {"/api/push", "models are plain files on the workers' machines: copy them from there"},
        {"/api/create", "`manta worker --model FILE` serves any GGUF file; a system prompt and options come with each request"},
        {"/api/blobs/", "`manta worker --model FILE` serves any GGUF file that lies on its machine"},
        {"/api/copy", "`manta worker --model FILE` serves a file by its name: a copy of it has another one"},
        {"/api/delete", "`manta models rm NAME` removes a file on the machine it is called on, `manta drain WORKER` takes a worker with its model away"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        size_t n = strlen(ways[i].path);
        if (path.n >= n && memcmp(path.p, ways[i].path, n) == 0 && (path.n == n || path.p[n - 1] == '/'))
            return ways[i].instead;
    }
    return NULL;
}

void reply_ollama_files(struct head_program *p, struct http_request *r)
{
    struct fault f;
    struct str path = http_path(r);
    const char *instead = instead_of(path);
    if (instead != NULL)
        fault_set(&f, ERR_UNSUPPORTED, "a head keeps no models, so this is not supported: %s", instead);
    else
        fault_set(&f, ERR_NOT_FOUND, "no such path: %.*s (GET / lists what there is)", STR_ARG(str_n(path.p, path.n < 100 ? path.n : 100)));
    reply_fault(p, r, &f);
}
