#include "main/config.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"

static const char *value_of(const struct settings *s, enum setting_id id)
{
    const char *text = setting_text(s, id);
    return setting_is_secret(id) && text[0] != '\0' ? "(set)" : text;
}

static bool is_default(const struct settings *s, enum setting_id id)
{
    return s->values[id].source == FROM_DEFAULT;
}

static void put_json_text(const char *text)
{
    putchar('"');
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20)
            printf("\\u%04x", (unsigned)*at);
        else
            printf(*at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    }
    putchar('"');
}

static void print_json(const struct settings *s, enum setting_id id, bool first)
{
    printf("%s\n  \"%s\": {\"value\": ", first ? "" : ",", setting_flag(id));
    put_json_text(value_of(s, id));
    printf(", \"from\": ");
    put_json_text(is_default(s, id) ? "default" : s->values[id].where);
    printf(", \"key\": ");
    if (setting_key(id) != NULL)
        put_json_text(setting_key(id));
    else
        printf("null");
    printf("}");
}

static void print_text(const struct settings *s, enum setting_id id)
{
    char flag[40];
    snprintf(flag, sizeof flag, "--%s", setting_flag(id));
    plain_print(stdout, "%-22s %-24s %s", flag, value_of(s, id)[0] != '\0' ? value_of(s, id) : "-", is_default(s, id) ? "default" : s->values[id].where);
}

static bool is_shown(const struct settings *s, enum setting_id id)
{
    (void)s;
    return !setting_is_hidden(id) && (setting_uses(id) & (USE_HEAD | USE_WORKER | USE_UP | USE_LAUNCHER)) != 0;
}

static void print_all(const struct settings *s, bool json, bool defaults, bool *first)
{
    for (int i = 0; i < SETTINGS_N; i++) {
        enum setting_id id = (enum setting_id)i;
        if (!is_shown(s, id) || is_default(s, id) != defaults)
            continue;
        if (json)
            print_json(s, id, *first);
        else
            print_text(s, id);
        *first = false;
    }
}

static void print_place(const struct settings *s)
{
    char usual[SETTINGS_PATH_BYTES];
    if (s->values[SET_CONFIG].source == FROM_DEFAULT && settings_usual_file(usual))
        plain_print(stdout, "\nNo file was read; %s would be, if it were there. docs/settings.md lists its keys.", usual);
    else if (s->values[SET_CONFIG].source == FROM_DEFAULT || setting_text(s, SET_CONFIG)[0] == '\0')
        plain_print(stdout, "\nNo file was read.");
    else
        plain_print(stdout, "\nRead: %s", setting_text(s, SET_CONFIG));
}

int config_main(const struct settings *s)
{
    bool json = setting_json(s), first = true;
    printf(json ? "{" : "%-22s %-24s %s\n", "SETTING", "VALUE", "FROM");
    print_all(s, json, false, &first);
    print_all(s, json, true, &first);
    if (json)
        printf("\n}\n");
    else
        print_place(s);
    return 0;
}
