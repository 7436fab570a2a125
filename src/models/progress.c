/* Describe a download in words. */
#include <stdio.h>

#include "models/models.h"

const char *models_progress_text(const struct models_progress *p, char *buf, size_t cap)
{
    char size[64] = "", speed[64] = "";
    double done = (double)p->done / 1e6, total = (double)p->total / 1e6, rate = (double)p->bytes_per_s / 1e6;
    if (p->total > 0)
        snprintf(size, sizeof size, "%.1f of %.1f MB (%d %%)", done, total, (int)(100.0 * done / total));
    else
        snprintf(size, sizeof size, "%.1f MB", done);
    if (p->bytes_per_s > 0 && p->total > 0)
        snprintf(speed, sizeof speed, ", %.1f MB/s, %.0f s left", rate, (total - done) / rate);
    switch (p->kind) {
    case MODELS_WAITING: snprintf(buf, cap, "%s: another process downloads it: waiting for that", p->name); break;
    case MODELS_STARTED: snprintf(buf, cap, "%s: downloading%s%s", p->name, p->total > 0 ? " " : "", p->total > 0 ? size : ""); break;
    case MODELS_RESUMED: snprintf(buf, cap, "%s: continuing at %s", p->name, size); break;
    case MODELS_LOADING: snprintf(buf, cap, "%s: %s%s", p->name, size, speed); break;
    case MODELS_PAUSED: snprintf(buf, cap, "%s: %s: trying again in %.1f s", p->name, p->why, p->pause_ms / 1e3); break;
    case MODELS_CHECKING: snprintf(buf, cap, "%s: checking %s", p->name, size); break;
    case MODELS_DONE: snprintf(buf, cap, "%s: done", p->name); break;
    }
    return buf;
}
