/* Report a pilot's news to the head and to its owner. */
#include "launch/pilot_state.h"

#include <stdio.h>
#include <string.h>

#include "launch/head_link.h"
#include "wire/wire.h"

/* Before the first list the number is unknown: all workers may run. */
uint32_t pilot_running(const struct pilot *p)
{
    return p->r.listed_us != 0 ? p->r.running : WIRE_NOT_KNOWN;
}

void pilot_tell(struct pilot *p)
{
    const char *note = reconcile_note(&p->r);
    bool new_note = strcmp(note, p->told_note) != 0;
    if (p->r.listed_us == 0 && note[0] == '\0')
        return; /* nothing is known yet */
    if (p->has_told && !new_note && pilot_running(p) == p->told_running && p->r.desired == p->told_target)
        return;
    p->has_told = true;
    p->told_running = pilot_running(p);
    p->told_target = p->r.desired;
    snprintf(p->told_note, sizeof p->told_note, "%s", note);
    if (new_note && note[0] != '\0')
        say(&p->listener, LOG_WARN, EVENT("engine_says"), "%s", note);
    if (p->link != NULL)
        head_link_tell(p->link, &(struct head_link_state){p->told_running, p->r.desired, new_note ? note : ""});
    if (p->cfg.on_news != NULL)
        p->cfg.on_news(p->told_running, p->r.desired, note, p->cfg.user_data);
}

void pilot_on_said(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    const struct pilot *p = user_data;
    p->cfg.on_event(level, event, text, p->cfg.user_data);
}

void pilot_on_keys(const char *join_token, const char *api_key, void *user_data)
{
    struct pilot *p = user_data;
    snprintf(p->token, sizeof p->token, "%s", join_token);
    if (p->cfg.on_key != NULL)
        p->cfg.on_key(api_key, p->cfg.user_data);
}

void pilot_on_head_at(const char *address, void *user_data)
{
    struct pilot *p = user_data;
    snprintf(p->head, sizeof p->head, "%s", address);
    if (p->cfg.on_head != NULL)
        p->cfg.on_head(p->head, p->cfg.user_data);
}

void pilot_on_took(const char *what, void *user_data)
{
    struct pilot *p = user_data;
    if (p->cfg.on_took != NULL)
        p->cfg.on_took(what, p->cfg.user_data);
}

void pilot_on_line(const char *who, struct str line, void *user_data)
{
    struct pilot *p = user_data;
    if (p->cfg.on_line != NULL)
        p->cfg.on_line(who, line, p->cfg.user_data);
}
