/* Configurations of the coding agents that `manta launch` knows, each as small as possible;
 * docs/agents.md describes the manual way. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "client/coder.h"

enum { OUTPUT_SHARE = 4, URL_BYTES = 512 }; /* answers get a quarter of the context, for agents that ask */

static void env(struct coder_setup *s, const char *name, const char *text)
{
    json_object_set_new(s->env, name, text != NULL ? json_string(text) : json_null());
}

static void arg(struct coder_setup *s, const char *text)
{
    json_array_append_new(s->args, json_string(text));
}

static const char *v1(const struct coder_facts *f, char out[URL_BYTES])
{
    snprintf(out, URL_BYTES, "%s/v1", f->url);
    return out;
}

/* ---- codex: Responses; each -c sets a configuration key for this run ---- */

static void setting(struct coder_setup *s, const char *key, json_t *value)
{
    struct buf text = buf_max(4096);
    char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT); /* TOML has the same strings and numbers */
    buf_printf(&text, "%s=%s", key, json);
    arg(s, "-c");
    arg(s, buf_cstr(&text));
    buf_fini(&text);
    free(json);
    json_decref(value);
}

static void set_up_codex(const struct coder_facts *f, struct coder_setup *s)
{
    char url[URL_BYTES];
    env(s, "MANTA_KEY", f->key);
    setting(s, "model", json_string(f->model));
    setting(s, "model_provider", json_string("manta"));
    setting(s, "model_providers.manta.name", json_string("manta"));
    setting(s, "model_providers.manta.base_url", json_string(v1(f, url)));
    setting(s, "model_providers.manta.wire_api", json_string("responses"));
    setting(s, "model_providers.manta.env_key", json_string("MANTA_KEY"));
    setting(s, "analytics.enabled", json_false());
    if (f->context > 0)
        setting(s, "model_context_window", json_integer(f->context));
}

/* ---- claude: Messages; configured by environment variables ---- */

static void set_up_claude(const struct coder_facts *f, struct coder_setup *s)
{
    static const char *const models[] = {"ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL",
                                         "CLAUDE_CODE_SUBAGENT_MODEL"}; /* it uses other models beside the given one */
    env(s, "ANTHROPIC_BASE_URL", f->url);
    env(s, "ANTHROPIC_AUTH_TOKEN", f->key); /* it asks the user about an unknown key, but accepts a token */
    env(s, "ANTHROPIC_API_KEY", NULL);
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        env(s, models[i], f->model);
    env(s, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    env(s, "CLAUDE_CODE_ATTRIBUTION_HEADER", "0"); /* a changing line at the beginning of each prompt, which would defeat prefix caches */
    arg(s, "--model");
    arg(s, f->model);
}

/* ---- opencode: chats; a variable has configuration that overrides its files ---- */

static void set_up_opencode(const struct coder_facts *f, struct coder_setup *s)
{
    char url[URL_BYTES], name[URL_BYTES];
    json_t *model = json_pack("{s:s}", "name", f->model);
    if (f->context > 0)
        json_object_set_new(model, "limit", json_pack("{s:I,s:I}", "context", (json_int_t)f->context, "output", (json_int_t)(f->context / OUTPUT_SHARE)));
    json_t *provider = json_pack("{s:s,s:s,s:{s:s,s:s},s:{s:o}}", "npm", "@ai-sdk/openai-compatible", "name", "manta", "options", "baseURL", v1(f, url),
                                 "apiKey", f->key, "models", f->model, model);
    snprintf(name, sizeof name, "manta/%s", f->model);
    json_t *config = json_pack("{s:s,s:s,s:{s:o}}", "model", name, "small_model", name, "provider", "manta", provider);
    char *text = json_dumps(config, JSON_COMPACT);
    env(s, "OPENCODE_CONFIG_CONTENT", text);
    free(text);
    json_decref(config);
}

/* ---- pi: chats; an extension that adds a provider ---- */

static void set_up_pi(const struct coder_facts *f, struct coder_setup *s)
{
    char url[URL_BYTES];
    struct buf path = buf_max(4096), text = buf_max(64 << 10);
    json_int_t context = f->context > 0 ? f->context : 32768;
    json_t *provider = json_pack("{s:s,s:s,s:s,s:[{s:s,s:s,s:b,s:[s],s:I,s:I,s:{s:i,s:i,s:i,s:i}}]}", "baseUrl", v1(f, url), "apiKey", "MANTA_KEY", "api",
                                 "openai-completions", "models", "id", f->model, "name", f->model, "reasoning", 0, "input", "text", "contextWindow", context,
                                 "maxTokens", context / OUTPUT_SHARE, "cost", "input", 0, "output", 0, "cacheRead", 0, "cacheWrite", 0);
    char *json = json_dumps(provider, JSON_INDENT(2));
    buf_printf(&path, "%s/manta.js", f->folder);
    buf_printf(&text, "// Written by `manta launch pi`, anew each time.\nexport default (pi) => pi.registerProvider(\"manta\", %s);\n", json);
    json_object_set_new(s->files, buf_cstr(&path), json_string(buf_cstr(&text)));
    env(s, "MANTA_KEY", f->key);
    arg(s, "--extension");
    arg(s, buf_cstr(&path));
    arg(s, "--provider");
    arg(s, "manta");
    arg(s, "--model");
    arg(s, f->model);
    free(json);
    json_decref(provider);
    buf_fini(&path);
    buf_fini(&text);
}

const struct coder coders[] = {
    {"codex", "@openai/codex", 41, set_up_codex},
    {"claude", "@anthropic-ai/claude-code", 50, set_up_claude},
    {"opencode", "opencode-ai", 31, set_up_opencode},
    {"pi", "@mariozechner/pi-coding-agent", 6, set_up_pi},
    {NULL, NULL, 0, NULL},
};

void coder_setup_fini(struct coder_setup *s)
{
    json_decref(s->env);
    json_decref(s->args);
    json_decref(s->files);
}
