/* Convert settings to the options of each program, which borrow from the settings. */
#ifndef MANTA_MAIN_OPTIONS_H
#define MANTA_MAIN_OPTIONS_H

#include "client/client.h"
#include "head/serve.h"
#include "models/models.h"
#include "settings/settings.h"
#include "worker/worker.h"

struct head_options options_head(const struct settings *s);
struct worker_options options_worker(const struct settings *s);
struct client_options options_client(const struct settings *s);
struct models_pull options_pull(const struct settings *s);
/* Applies --log and --log-format. */
void options_log(const struct settings *s);

#endif
