/* Prints the tables of commands, settings and limits as JSON, for scripts/reference: cc -Isrc scripts/tables.c */
#include <stdio.h>

#include "base/limits.h"
#include "main/commands.h"
#include "settings/settings.h"

static void text(const char *key, const char *s)
{
    printf(",\"%s\":\"", key);
    for (; *s != '\0'; s++) {
        if (*s == '\n')
            printf("\\n");
        else
            printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    }
    printf("\"");
}

static void number(const char *key, unsigned long long n)
{
    printf(",\"%s\":%llu", key, n);
}

static void begin(const char **comma)
{
    printf("%s{\"\":0", *comma);
    *comma = ",\n";
}

int main(void)
{
    const char *comma = "";
    printf("{\"commands\":[\n");
#define C(name, args, about, example, uses, least, most, run) \
    begin(&comma), text("name", name), text("args", args), text("about", about), text("example", example), number("uses", uses), printf("}");
    COMMANDS(C)
    comma = "";
    printf("],\"settings\":[\n");
#define S(id, flag, key, kind, fallback, lowest, highest, choices, uses, help) \
    if ((const char *)help != NULL) { \
        const char *k = key, *c = choices, *h = help; \
        begin(&comma), text("flag", flag), text("key", k != NULL ? k : ""), text("kind", #kind), text("default", fallback), number("lowest", lowest), \
            number("highest", highest), text("choices", c != NULL ? c : ""), number("uses", uses), text("help", h), printf("}"); \
    }
    SETTINGS(S)
    comma = "";
    printf("],\"limits\":[\n");
#define L(name, value, unit, flag, then) \
    begin(&comma), text("name", #name), text("unit", unit), text("flag", flag), text("then", then), printf("}");
    LIMITS(L)
    printf("]}\n");
    return 0;
}
