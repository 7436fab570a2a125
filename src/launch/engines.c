/* The engines of this build, and their look-up. A new one takes a table of functions in a file of
 * its own, and a line here. */
#include "launch/engines.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { LIST_BYTES_MAX = 400 };

const struct launcher_ops *const launcher_engines[] = {
    &launch_local,
    &launch_compose,
    &launch_slurm,
    &launch_kubernetes,
    &launch_plug,
    &launch_ray,
    NULL,
};

int launcher_find(const char *engine, const struct launcher_ops **out, struct fault *f)
{
    struct buf list = buf_max(LIST_BYTES_MAX);
    for (const struct launcher_ops *const *e = launcher_engines; *e != NULL; e++) {
        if (strcmp((*e)->engine, engine) == 0) {
            *out = *e;
            buf_fini(&list);
            return 0;
        }
        buf_printf(&list, "%s%s", list.n > 0 ? ", " : "", (*e)->engine);
    }
    fault_set(f, ERR_USAGE, "there is no engine '%.*s': --on takes %s", UTF8_HEAD(engine, 60), buf_cstr(&list));
    buf_fini(&list);
    return ERR_USAGE;
}
