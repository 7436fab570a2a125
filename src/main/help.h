/* Pages of help, and what is said to who types a command that is none. */
#ifndef MANTA_MAIN_HELP_H
#define MANTA_MAIN_HELP_H

#include <stdio.h>

#include "settings/settings.h"

enum { HELP_COMMANDS_MAX = 64 };

struct command {
    const char *name, *args, *about, *example; /* example: several, one a line */
    unsigned uses;     /* settings it takes */
    int args_min, args_max;
    int (*run)(const struct settings *s);
};

/* All commands, in groups. */
void help_all(FILE *out, const struct command *commands, int n);
/* One of them with its flags: those that people need first, or `all`. */
void help_command(const struct command *c, bool all);
/* Names the nearest one, or what people mean who know other programs. Returns the exit status. */
int help_unknown(const struct command *commands, int n, const char *name);

#endif
