/* Help pages, and hints for unknown commands. */
#ifndef MANTA_MAIN_HELP_H
#define MANTA_MAIN_HELP_H

#include <stdio.h>

#include "settings/settings.h"

enum { HELP_COMMANDS_MAX = 64 };

struct command {
    const char *name, *args, *about, *example; /* example: several, one per line */
    unsigned uses;     /* its settings */
    int args_min, args_max;
    int (*run)(const struct settings *s);
};

/* Prints all commands, in groups. */
void help_all(FILE *out, const struct command *commands, int n);
/* Prints a command with its flags: the common ones, or `all`. */
void help_command(const struct command *c, bool all);
/* Reports an unknown command with the nearest one, or the equivalent of another program's command.
 * Returns the exit status. */
int help_unknown(const struct command *commands, int n, const char *name);

#endif
