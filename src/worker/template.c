/* Use a chat template in place of the one in the model file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/file.h"
#include "worker/program.h"

int template_read(struct worker_program *p, struct fault *f)
{
    const char *name = p->o->chat_template;
    if (name == NULL || name[0] == '\0')
        return 0;
    if (strcmp(p->o->engine, "echo") == 0)
        return fault_set(f, ERR_USAGE, "--chat-template: the echo engine has no templates");
    if (strcmp(name, "chatml") == 0) { /* built into the engine */
        p->chat_template = xstrdup(name);
        return 0;
    }
    p->chat_template = xalloc(CHAT_TEMPLATE_BYTES_MAX + 2);
    errno = 0;
    size_t n = file_read_text(name, p->chat_template, CHAT_TEMPLATE_BYTES_MAX + 2);
    if (n == 0)
        return fault_set(f, ERR_USAGE, "--chat-template: cannot read '%s': %s", name, errno != 0 ? strerror(errno) : "it is empty");
    if (n > CHAT_TEMPLATE_BYTES_MAX || strlen(p->chat_template) != n)
        return fault_set(f, ERR_USAGE, "--chat-template: '%s' is not a text of at most %d bytes", name, CHAT_TEMPLATE_BYTES_MAX);
    return 0;
}

void template_digest(const struct worker_program *p, struct deployment *r)
{
    if (p->chat_template == NULL || r->is.kind != REQUEST_CHAT || r->model.digest[0] == '\0')
        snprintf(r->digest, sizeof r->digest, "%s", r->model.digest);
    else
        models_digest_with(r->model.digest, p->chat_template, r->digest);
    r->is.digest = str_of(r->digest);
}
