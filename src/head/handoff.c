#include "head/handoff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "head/call.h"

/* $XDG_RUNTIME_DIR/manta, else /tmp/manta-<user>: short enough for a socket's path, removed by a
 * reboot, and accessible to this user only. */
static int own_folder(char *out, size_t cap, struct fault *f)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    bool told = runtime != NULL && runtime[0] == '/';
    int n = told ? snprintf(out, cap, "%s/manta", runtime) : snprintf(out, cap, "/tmp/manta-%u", (unsigned)geteuid());
    if (n < 0 || (size_t)n >= cap)
        return fault_set(f, ERR_TOO_LARGE, "XDG_RUNTIME_DIR (%s) is too long for a socket in it", runtime);
    struct stat st;
    if (mkdir(out, 0700) != 0 && errno != EEXIST)
        return fault_set(f, ERR_IO, "cannot make the folder %s: %s", out, strerror(errno));
    if (lstat(out, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return fault_set(f, ERR_FORBIDDEN, "%s is not a folder that only this user can write to", out);
    return 0;
}

int handoff_path(const char *host, uint16_t port, char *out, size_t cap, struct fault *f)
{
    char folder[REPLACE_PATH_BYTES];
    int err = own_folder(folder, sizeof folder, f);
    if (err != 0)
        return err;
    int n = snprintf(out, cap, "%s/head-%s-%u", folder, host, port);
    if (n < 0 || (size_t)n >= cap || strchr(host, '/') != NULL)
        return fault_set(f, ERR_TOO_LARGE, "%s/head-%s-%u is no path for a socket", folder, host, port);
    return 0;
}

int handoff_say(struct net_fdpass *fdpass, struct buf *frame, const struct wire_msg *msg, struct fault *f)
{
    buf_reset(frame);
    int err = wire_encode(frame, msg);
    if (err != 0)
        return fault_set(f, err, "the message '%s' is too large for a handoff", wire_name(msg->type));
    return net_fdpass_send(fdpass, buf_str(frame), f);
}

int handoff_hear(struct net_fdpass *fdpass, struct wire_arena *arena, struct wire_msg *out, struct fault *f)
{
    struct str frame;
    size_t bytes = 0;
    int err = net_fdpass_receive(fdpass, &frame, f);
    if (err != 0)
        return err;
    if (wire_frame(frame, WIRE_FRAME_BYTES_MAX, &bytes) != 0 || bytes == 0 || bytes != frame.n)
        return fault_set(f, ERR_PROTOCOL, "the other process sent no valid handoff message");
    err = wire_decode(out, arena, frame, f);
    if (err == 0 && out->type == WIRE_refuse)
        err = fault_set(f, out->refuse.error != 0 ? -(int)out->refuse.error : ERR_FAILED, "the other head refuses: %.*s",
                        STR_ARG(utf8_head(out->refuse.message, 400)));
    return err;
}

void replace_forget_calls(struct head_program *p)
{
    IDTAB_EACH(pos, &p->calls)
    {
        call_free(p, id_item(pos, struct call, node));
    }
}
