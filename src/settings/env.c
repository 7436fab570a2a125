/* Read settings from MANTA_* variables. Other programs set such variables, too: Kubernetes
 * announces a service called "manta" to every pod by MANTA_PORT=tcp://10.96.0.12:8470 and
 * MANTA_SERVICE_HOST, and Docker's links do likewise. Those are not settings. */
#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "base/nearest.h"
#include "base/str.h"
#include "settings/settings.h"

extern char **environ;

enum { NAME_BYTES = 64 };

static const char PREFIX[] = "MANTA_";

/* Variables of manta that are not settings. */
static const char *const others[] = {"TRACE", "MODELS_DIR", "ENGINE_DIR", "DEPS_DIR"};

/* Turns "--join-token" into MANTA_JOIN_TOKEN. */
static void env_name(const char *flag, char out[NAME_BYTES])
{
    size_t n = (size_t)snprintf(out, NAME_BYTES, "%s%s", PREFIX, flag);
    for (size_t i = sizeof PREFIX - 1; i < n && i < NAME_BYTES; i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    MUST(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    bool found = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return found;
}

/* Recognises "tcp://10.96.0.12:8470", which a service link sets where a setting has a number. */
static bool is_link(const char *value)
{
    return matches("^(tcp|udp|sctp)://", value);
}

/* Recognises names that service links and Docker's links set. */
static bool is_link_name(const char *name, const char *value)
{
    return is_link(value) || matches("_SERVICE_(HOST|PORT(_.*)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?$|_ENV_|_NAME$", name);
}

static int put(struct settings *s, enum setting_id id, const char *name, const char *value, struct fault *f)
{
    if (is_link(value)) {
        buf_printf(&s->warnings, "warning: %s is a service link here (%.80s), no setting of manta: it is not used\n", name, value);
        return 0;
    }
    return setting_put(s, id, value, FROM_ENV, name, f);
}

static bool concerns(enum setting_id id, unsigned uses)
{
    return (setting_uses(id) & uses) != 0 && !setting_is_hidden(id);
}

/* Returns the nearest known variable; NULL for a name that manta knows, or that resembles none. */
static const char *meant_instead(const char *name, unsigned uses)
{
    static char names[SETTINGS_N][NAME_BYTES];
    const char *words[SETTINGS_N + sizeof others / sizeof others[0]], *own = name + sizeof PREFIX - 1;
    size_t n = 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        words[n++] = others[i];
    for (int i = 0; i < SETTINGS_N; i++) {
        env_name(setting_flag((enum setting_id)i), names[i]);
        if (!setting_is_hidden((enum setting_id)i) && strcmp(names[i], name) == 0)
            return NULL; /* possibly a setting of another command */
        if (concerns((enum setting_id)i, uses))
            words[n++] = names[i] + sizeof PREFIX - 1;
    }
    const char *near = nearest_word(own, words, n);
    return near != NULL && strcmp(near, own) == 0 ? NULL : near;
}

static void warn_of_misspelled(struct settings *s, unsigned uses)
{
    for (char **at = environ; *at != NULL; at++) {
        size_t n = strcspn(*at, "=");
        char name[NAME_BYTES];
        if (n >= sizeof name || (*at)[n] == '\0' || strncmp(*at, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)n, *at);
        if (is_link_name(name, *at + n + 1) || strncmp(name, "MANTA_TEST_", 11) == 0)
            continue;
        const char *near = meant_instead(name, uses);
        if (near != NULL)
            buf_printf(&s->warnings, "warning: unknown variable %s: did you mean %s%s?\n", name, PREFIX, near);
    }
}

int settings_read_env(struct settings *s, unsigned uses, struct fault *f)
{
    for (int i = 0; i < SETTINGS_N; i++) {
        enum setting_id id = (enum setting_id)i;
        char name[NAME_BYTES];
        env_name(setting_flag(id), name);
        const char *value = getenv(name);
        if (value == NULL || value[0] == '\0' || !concerns(id, uses) || s->values[i].source == FROM_FLAG)
            continue;
        int err = put(s, id, name, value, f);
        if (err != 0)
            return err;
    }
    if (setting_number(s, SET_DIE_WITH_PARENT) == 0) /* else the parent process has warned already */
        warn_of_misspelled(s, uses);
    return 0;
}
