#include "client/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/plain.h"
#include "client/fetch.h"
#include "client/show.h"

enum { WATCH_EVERY_S = 2 };

static void show_answer(const struct client_options *o, json_t *answer, const char *text, show_page_fn *show)
{
    json_make_plain(answer, true);
    if (o->json)
        show_json(str_of(text));
    else
        show(o, answer);
}

static int show_once(const struct client_options *o, const char *path, show_page_fn *show, bool again)
{
    struct fault f = {0};
    json_t *answer = NULL;
    char *text = NULL;
    int err = fetch_json(o, path, NULL, &answer, &text, &f);
    if (again && show_on_terminal() && plain_takes_escapes(1))
        printf("\033[H\033[J"); /* the last page stays until the next one is complete */
    if (err != 0) {
        show_fault(&f);
        return err;
    }
    show_answer(o, answer, text, show);
    json_decref(answer);
    free(text);
    return 0;
}

int show_page(const struct client_options *o, const char *path, show_page_fn *show)
{
    int err = show_once(o, path, show, o->watch);
    while (o->watch && err != ERR_CANCELLED && ferror(stdout) == 0) {
        printf("%s", show_on_terminal() ? "(every 2 s; Ctrl-C ends it)\n" : "\n");
        fflush(stdout);
        nanosleep(&(struct timespec){.tv_sec = WATCH_EVERY_S}, NULL);
        err = show_once(o, path, show, true);
    }
    return err_exit(err);
}
