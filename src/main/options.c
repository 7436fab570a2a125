#include "main/options.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "head/keys.h"

/* Strips the brackets of "[::1]", the form in URLs. */
static const char *plain_host(const char *host)
{
    static char plain[256]; /* there is only one struct settings */
    size_t n = strlen(host);
    if (n < 3 || host[0] != '[' || host[n - 1] != ']')
        return host;
    snprintf(plain, sizeof plain, "%.*s", (int)(n - 2 < sizeof plain ? n - 2 : sizeof plain - 1), host + 1);
    return plain;
}

struct head_options options_head(const struct settings *s)
{
    struct head_config c = head_config_default();
    c.balance = (enum balance)setting_number(s, SET_BALANCE);
    c.queue_jobs_max = (uint32_t)setting_number(s, SET_QUEUE_JOBS);
    c.queue_bytes_max = setting_number(s, SET_QUEUE_BYTES);
    c.queue_deadline_ms = (uint32_t)setting_number(s, SET_QUEUE_DEADLINE);
    c.token_stall_ms = (uint32_t)setting_number(s, SET_STALL);
    c.beat_ms = (uint32_t)setting_number(s, SET_BEAT);
    c.lost_after_ms = (uint32_t)setting_number(s, SET_LOST);
    c.rebalance = setting_on(s, SET_REBALANCE);
    c.status_every_ms = (uint32_t)setting_number(s, SET_STATUS_EVERY);
    c.scale = (struct scale_limits){
        .mode = setting_number(s, SET_SCALE) == 1 ? SCALE_AUTO : SCALE_FIXED,
        .min = (uint32_t)setting_number(s, SET_SCALE_MIN),
        .max = (uint32_t)setting_number(s, SET_SCALE_MAX),
        .idle_s = (uint32_t)setting_number(s, SET_SCALE_IDLE),
    };
    c.scale_given = s->values[SET_SCALE].source != FROM_DEFAULT;
    uint32_t origins_n, hosts_n;
    const char *const *origins = setting_items(s, SET_ALLOW_ORIGIN, &origins_n), *const *hosts = setting_items(s, SET_ALLOW_HOST, &hosts_n);
    return (struct head_options){
        .allow_origins = origins,
        .allow_origins_n = origins_n,
        .allow_hosts = hosts,
        .allow_hosts_n = hosts_n,
        .host = plain_host(setting_text(s, SET_HOST)),
        .port = (uint16_t)setting_number(s, SET_PORT),
        .api_key = setting_text(s, SET_API_KEY),
        .join_token = setting_text(s, SET_JOIN_TOKEN),
        .version = MANTA_VERSION,
        .replace = setting_on(s, SET_REPLACE),
        .keep_billing = setting_number(s, SET_BILLING_LINE) != 0,
        .share_prefix = setting_on(s, SET_SHARE_PREFIX),
        .log_requests = setting_on(s, SET_LOG_REQUESTS),
        .launched = setting_number(s, SET_DIE_WITH_PARENT) != 0,
        .drain_grace_s = (uint32_t)setting_number(s, SET_DRAIN_GRACE),
        .answer_bytes_max = setting_number(s, SET_ANSWER_BYTES),
        .brain = c,
    };
}

struct worker_options options_worker(const struct settings *s)
{
    uint32_t models_n;
    const char *const *models = setting_items(s, SET_MODEL, &models_n);
    return (struct worker_options){
        .heads = setting_text(s, SET_HEAD),
        .node = setting_text(s, SET_NODE),
        .join_token = setting_text(s, SET_JOIN_TOKEN),
        .models = models,
        .models_n = models_n,
        .engine = setting_text(s, SET_ENGINE),
        .version = MANTA_VERSION,
        .slots = (uint32_t)setting_number(s, SET_SLOTS),
        .context = (uint32_t)setting_number(s, SET_CONTEXT),
        .threads = (uint32_t)setting_number(s, SET_THREADS),
        .step_ms = (uint32_t)setting_number(s, SET_STEP_MS),
        .throttle = (uint32_t)setting_number(s, SET_THROTTLE),
        .pace = setting_text(s, SET_DEBUG_PACE),
        .chat_template = setting_text(s, SET_CHAT_TEMPLATE),
        .kv = (uint8_t)setting_number(s, SET_KV),
        .exact = setting_on(s, SET_EXACT),
        .repack = setting_on(s, SET_REPACK),
        .memory_bytes = setting_number(s, SET_MEMORY),
        .prefix_bytes = setting_number(s, SET_PREFIX_CACHE),
        .patient = setting_on(s, SET_AGAIN),
        .load_stall_s = (uint32_t)setting_number(s, SET_LOAD_STALL),
        .drain_grace_s = (uint32_t)setting_number(s, SET_DRAIN_GRACE),
        .pull = options_pull(s),
    };
}

struct models_pull options_pull(const struct settings *s)
{
    struct models_pull how = models_pull_default();
    how.offline = setting_on(s, SET_OFFLINE);
    how.bytes_max = setting_number(s, SET_PULL_LIMIT);
    how.stall_s = (uint32_t)setting_number(s, SET_PULL_STALL);
    return how;
}

struct client_options options_client(const struct settings *s)
{
    static char key[KEY_BYTES_MAX + 1]; /* there is only one struct settings */
    struct str own = keys_own(setting_text(s, SET_API_KEY));
    snprintf(key, sizeof key, "%.*s", STR_ARG(own));
    /* A client asks for a model only if the user named one: the default is for workers. */
    bool named = s->values[SET_MODEL].source == FROM_FLAG;
    return (struct client_options){
        .head = setting_text(s, SET_HEAD),
        .api_key = key,
        .model = named ? setting_text(s, SET_MODEL) : "",
        .node = setting_text(s, SET_NODE),
        .max_tokens = (uint32_t)setting_number(s, SET_MAX_TOKENS),
        .tags = setting_on(s, SET_TAGS),
        .quiet = setting_on(s, SET_QUIET),
        .json = setting_json(s),
        .wide = setting_number(s, SET_OUTPUT) == OUTPUT_WIDE,
        .watch = setting_on(s, SET_WATCH),
        .launched = setting_number(s, SET_DIE_WITH_PARENT) != 0,
        .limits = setting_on(s, SET_LIMITS),
    };
}

void options_log(const struct settings *s)
{
    static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_TRACE};
    log_set_level(levels[setting_number(s, SET_LOG)]);
    log_set_format((enum log_format)setting_number(s, SET_LOG_FORMAT));
}
