#include "models/hub.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "models/folders.h"
#include "models/show.h"
#include "os/file.h"

#define HUB_ENDPOINT "https://huggingface.co"

bool hub_offline(void)
{
    const char *offline = getenv("HF_HUB_OFFLINE");
    return offline != NULL && offline[0] != '\0' && strcmp(offline, "0") != 0 && strcasecmp(offline, "false") != 0;
}

static int endpoint(struct str *out, struct fault *f)
{
    const char *given = getenv("HF_ENDPOINT");
    *out = str_of(given != NULL && given[0] != '\0' ? given : HUB_ENDPOINT);
    while (out->n > 0 && out->p[out->n - 1] == '/')
        out->n--;
    bool web = strncasecmp(out->p, "https://", 8) == 0 || strncasecmp(out->p, "http://", 7) == 0;
    if (!web || out->n > 500)
        return fault_set(f, ERR_INVALID, "HF_ENDPOINT is '%.80s': it takes the address of a model hub, https://...", out->p);
    return 0;
}

int hub_url(const struct reference *r, char out[TRANSFER_URL_BYTES], struct fault *f)
{
    struct str hub;
    if (r->kind == REFERENCE_URL) {
        snprintf(out, TRANSFER_URL_BYTES, "%s", r->url);
        return 0;
    }
    int err = endpoint(&hub, f);
    if (err == 0)
        snprintf(out, TRANSFER_URL_BYTES, "%.*s/%s/%s/resolve/%s/%s", STR_ARG(hub), r->owner, r->repo, r->revision, r->file);
    return err;
}

/* ---- the token ---- */

static bool token_file(char *path, size_t cap)
{
    const char *file = getenv("HF_TOKEN_PATH"), *hub = getenv("HF_HOME"), *home = getenv("HOME");
    int n = file != NULL && file[0] == '/' ? snprintf(path, cap, "%s", file)
          : hub != NULL && hub[0] == '/'   ? snprintf(path, cap, "%s/token", hub)
          : home != NULL && home[0] == '/' ? snprintf(path, cap, "%s/.cache/huggingface/token", home)
                                           : -1;
    return n > 0 && (size_t)n < cap;
}

static void read_token(char out[HUB_TOKEN_BYTES])
{
    char path[FOLDER_BYTES];
    const char *given = getenv("HF_TOKEN");
    out[0] = '\0';
    if (given != NULL) {
        snprintf(out, HUB_TOKEN_BYTES, "%s", given);
    } else if (token_file(path, sizeof path)) {
        file_read_text(path, out, HUB_TOKEN_BYTES);
    }
    for (char *p = out; *p != '\0'; p++) /* cut at the line's end, or at any character that could begin another
                                            header */
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            *p-- = '\0';
}

void hub_token(const char *url, char out[HUB_TOKEN_BYTES])
{
    static const char *const safe[] = {"https://", "http://127.0.0.1", "http://localhost", "http://[::1]"};
    struct str hub;
    char address[512];
    bool ours = false, secret = false;
    out[0] = '\0';
    if (endpoint(&hub, NULL) != 0)
        return;
    snprintf(address, sizeof address, "%.*s", STR_ARG(hub));
    ours = transfer_same_host(address, url);
    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++) {
        size_t n = strlen(safe[i]);
        secret = secret || (strncasecmp(url, safe[i], n) == 0 && (i == 0 || strchr(":/", url[n]) != NULL));
    }
    if (ours && secret)
        read_token(out);
}

/* ---- refusals ---- */

int hub_refusal(const char *url, const struct transfer_head *head, bool token, struct fault *f)
{
    struct transfer_text at = transfer_show(url);
    const char *said = head->message;
    const char *colon = said[0] != '\0' ? ": " : "";
    switch (head->status) {
    case 401:
        return fault_set(f, ERR_AUTH, token ? "%s: the hub does not accept the token in HF_TOKEN, or has no such model (401%s%s)"
                                            : "%s: the hub wants a token, or has no such model: set HF_TOKEN, or check the name (401%s%s)",
                         at.text, colon, said);
    case 403:
        return fault_set(f, ERR_FORBIDDEN, "%s: not for you yet: its page on the hub says which terms to accept, then HF_TOKEN must be yours (403%s%s)",
                         at.text, colon, said);
    case 404:
    case 410:
        return fault_set(f, ERR_NOT_FOUND, "%s: there is no such model, file or revision (%d%s%s)", at.text, head->status, colon, said);
    case 429:
        return fault_set(f, ERR_BUSY, "%s: too many requests for the hub: try again later, or with a token in HF_TOKEN (429%s%s)", at.text, colon, said);
    default:
        return fault_set(f, head->status >= 500 ? ERR_UNAVAILABLE : ERR_PROTOCOL, "%s answered %d%s%s", at.text, head->status, colon, said);
    }
}

/* ---- the files of a repository ---- */

struct listing {
    struct buf text;
    const char *url;
    bool token;
};

static int on_head(const struct transfer_head *head, void *user_data, struct fault *f)
{
    struct listing *l = user_data;
    if (head->status != 200)
        return hub_refusal(l->url, head, l->token, f);
    if (strcmp(head->type, "application/json") != 0)
        return fault_set(f, ERR_PROTOCOL, "%s is no model hub: it answers with '%.40s', not with JSON", transfer_show(l->url).text, head->type);
    return 0;
}

static int on_body(const void *p, size_t n, void *user_data, struct fault *f)
{
    struct listing *l = user_data;
    if (buf_add(&l->text, p, n) != 0)
        return fault_set(f, ERR_TOO_LARGE, "%s: the list of files is longer than %d bytes", transfer_show(l->url).text, HUB_ANSWER_BYTES_MAX);
    return 0;
}

static int refuse_none(const struct reference *r, const char *const *names, size_t n, int found, struct fault *f)
{
    char list[240] = "";
    size_t at = 0;
    for (size_t i = 0; i < n && at + 1 < sizeof list; i++)
        if (hub_pick(&names[i], 1, "") == 0)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? ", " : "", reference_basename(names[i]));
    if (found == -2)
        return fault_set(f, ERR_UNSUPPORTED, "%s/%s:%s is in several parts, which manta does not join: choose another of: %s", r->owner, r->repo,
                         r->quant, show_path(list).text);
    return fault_set(f, ERR_NOT_FOUND, "%s/%s has no GGUF file%s%s; it has: %s", r->owner, r->repo, r->quant[0] != '\0' ? " of quantisation " : "",
                     r->quant, list[0] != '\0' ? list : "none");
}

static int choose(struct reference *r, const json_t *files, struct fault *f)
{
    size_t n = json_array_size(files);
    if (n > HUB_FILES_MAX)
        return fault_set(f, ERR_TOO_LARGE, "%s/%s has more than %d files: give the file's name too", r->owner, r->repo, HUB_FILES_MAX);
    const char **names = xalloc_array(n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_object_get(json_array_get(files, i), "path"));
        names[i] = path != NULL ? path : "";
    }
    int found = hub_pick(names, n, r->quant), err = 0;
    struct reference whole;
    char text[2 * HUB_NAME_BYTES + 1024];
    if (found < 0) {
        err = refuse_none(r, names, n, found, f);
    } else { /* check the hub's words as a person's reference */
        snprintf(text, sizeof text, "hf:%s/%s/%.900s", r->owner, r->repo, names[found]);
        err = reference_parse(text, &whole, f);
        if (err == 0)
            memcpy(r->file, whole.file, sizeof r->file);
        const char *sha256 = json_string_value(json_object_get(json_object_get(json_array_get(files, (size_t)found), "lfs"), "oid"));
        if (err == 0 && sha256 != NULL && r->sha256[0] == '\0' && strlen(sha256) == 64 && strspn(sha256, "0123456789abcdef") == 64)
            memcpy(r->sha256, sha256, 65);
    }
    free(names);
    return err;
}

int hub_read(struct reference *r, struct str json, const char *url, struct fault *f)
{
    json_error_t why;
    json_t *files = json_loadb(json.n > 0 ? json.p : "", json.n, 0, &why);
    int err = json_is_array(files) ? choose(r, files, f)
                                   : fault_set(f, ERR_PROTOCOL, "%s is no model hub: its list of files cannot be read", transfer_show(url).text);
    json_decref(files);
    return err;
}

int hub_choose(struct reference *r, uint32_t stall_s, struct fault *f)
{
    struct str hub;
    char url[1024], token[HUB_TOKEN_BYTES];
    int err = endpoint(&hub, f);
    if (err != 0)
        return err;
    snprintf(url, sizeof url, "%.*s/api/models/%s/%s/tree/%s?recursive=true", STR_ARG(hub), r->owner, r->repo, r->revision);
    hub_token(url, token);
    struct listing l = {.text = buf_max(HUB_ANSWER_BYTES_MAX), .url = url, .token = token[0] != '\0'};
    struct transfer t = {.url = url, .token = token, .stall_s = stall_s, .on_head = on_head, .on_body = on_body, .user_data = &l};
    err = transfer_run(&t, f);
    if (err == 0)
        err = hub_read(r, buf_str(&l.text), url, f);
    buf_fini(&l.text);
    return err;
}
