#include "worker/scribe.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/must.h"
#include "os/last_words.h"

enum { STACK_KEPT_BYTES = 256 << 10 };

struct task {
    struct list link;         /* in its lane's queue */
    uint64_t ticket;
    const struct request *r;  /* borrowed */
};

struct lane {
    struct scribe *scribe;    /* borrowed */
    pthread_t thread;
    pthread_cond_t wake;
    struct list tasks;
    uint64_t now;             /* ticket that is being computed; valid while `works` */
    bool works;
    atomic_bool forget;       /* stops the current task */
    /* used by the thread only */
    uint64_t move_us;         /* time at which the current task moves to the long lane; 0: never */
    bool moves;
};

enum { SHORT, LONG, LANES };

struct scribe {
    struct scribe_config cfg;
    pthread_mutex_t lock;     /* the lanes' queues, now, works */
    atomic_bool stop;
    struct lane lanes[LANES];
};

static bool is_stopped(void *user_data)
{
    struct lane *l = user_data;
    l->moves = l->moves || (l->move_us != 0 && clock_us() > l->move_us);
    return l->moves || atomic_load(&l->forget) || atomic_load(&l->scribe->stop);
}

/* Returns the next task, or NULL to stop. */
static struct task *next_task(struct lane *l)
{
    struct scribe *s = l->scribe;
    struct task *t = NULL;
    pthread_mutex_lock(&s->lock);
    l->works = false;
    while (list_empty(&l->tasks) && !atomic_load(&s->stop))
        pthread_cond_wait(&l->wake, &s->lock);
    if (!atomic_load(&s->stop)) {
        t = list_item(l->tasks.next, struct task, link);
        list_remove(&t->link);
        l->now = t->ticket;
        l->works = true;
        atomic_store(&l->forget, false);
    }
    pthread_mutex_unlock(&s->lock);
    return t;
}

static struct prompt make(struct lane *l, const struct task *t, uint64_t memory_bytes)
{
    struct scribe *s = l->scribe;
    struct engine_bounds bounds = {.memory_bytes = memory_bytes, .cpu_ms = SCRIBE_CPU_MS, .stopped = is_stopped, .user_data = l};
    last_words_computing(&t->ticket, 1);
    struct prompt p = prompt_make(s->cfg.ops, s->cfg.engine, t->r, &bounds);
    last_words_computing(NULL, 0);
    return p;
}

/* Gives back the pages of this thread's stack below the part in use. */
static void let_stack_go(void)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes, page = (size_t)sysconf(_SC_PAGESIZE);
    const char here = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    pthread_attr_getstack(&attr, &low, &bytes);
    pthread_attr_destroy(&attr);
    uintptr_t from = (uintptr_t)low, to = ((uintptr_t)&here - STACK_KEPT_BYTES) / page * page;
    if (to > from && to - from < bytes)
        madvise(low, to - from, MADV_DONTNEED);
}

/* Gives the memory of a long prompt back to the system: malloc would keep it for this thread,
 * which may be idle for hours. */
static struct prompt make_long(struct lane *l, const struct task *t)
{
    struct scribe *s = l->scribe;
    pthread_mutex_lock(s->cfg.long_turn);
    struct prompt p = make(l, t, s->cfg.memory_bytes);
    malloc_trim(0);
    let_stack_go();
    pthread_mutex_unlock(s->cfg.long_turn);
    return p;
}

static struct prompt make_short(struct lane *l, const struct task *t)
{
    l->moves = false;
    l->move_us = clock_us() + SCRIBE_SHORT_MS * 1000;
    return make(l, t, SCRIBE_SHORT_MEMORY);
}

/* Moves a task that exceeded the time or memory of a short prompt to the long lane, which has
 * other bounds. Returns false when it did not, or was dropped meanwhile. */
static bool move(struct lane *l, struct task *t, const struct prompt *p)
{
    struct scribe *s = l->scribe;
    if (!(l->moves && p->fault.err == ERR_CANCELLED) && p->fault.err != ERR_TOO_LARGE)
        return false;
    pthread_mutex_lock(&s->lock);
    bool moved = !atomic_load(&l->forget);
    l->works = false;
    if (moved) {
        list_push(&s->lanes[LONG].tasks, &t->link);
        pthread_cond_signal(&s->lanes[LONG].wake);
    }
    pthread_mutex_unlock(&s->lock);
    return moved;
}

static void *lane_thread(void *arg)
{
    struct lane *l = arg;
    struct scribe *s = l->scribe;
    bool is_long = l == &s->lanes[LONG];
    struct task *t;
    if (is_long)
        setpriority(PRIO_PROCESS, (id_t)gettid(), SCRIBE_NICE); /* of this thread alone, on Linux; if it fails,
                                                                   streams are a little slower */
    while ((t = next_task(l)) != NULL) {
        struct prompt p = is_long ? make_long(l, t) : make_short(l, t);
        if (!is_long && move(l, t, &p))
            continue;
        s->cfg.on_done(t->ticket, &p, s->cfg.user_data);
        prompt_free(&p);
        free(t);
    }
    return NULL;
}

/* The whole stack counts in the limit that --memory sets (RLIMIT_DATA): if there is no room, a
 * smaller stack is used, and only the longest words are refused. */
static void start_lane(struct lane *l, size_t stack_bytes)
{
    enum { STACK_BYTES_MIN = 512 << 10 };
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    for (int err = -1; err != 0; stack_bytes /= 2) {
        MUST(stack_bytes >= STACK_BYTES_MIN);
        MUST(pthread_attr_setstacksize(&attr, stack_bytes) == 0);
        err = pthread_create(&l->thread, &attr, lane_thread, l);
    }
    pthread_attr_destroy(&attr);
}

struct scribe *scribe_new(const struct scribe_config *cfg)
{
    struct scribe *s = xalloc(sizeof *s);
    s->cfg = *cfg;
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 0; i < LANES; i++) {
        struct lane *l = &s->lanes[i];
        l->scribe = s;
        list_init(&l->tasks);
        pthread_cond_init(&l->wake, NULL);
        start_lane(l, i == LONG ? SCRIBE_LONG_STACK : SCRIBE_SHORT_STACK);
    }
    return s;
}

void scribe_free(struct scribe *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    for (int i = 0; i < LANES; i++)
        pthread_cond_signal(&s->lanes[i].wake);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < LANES; i++) {
        struct lane *l = &s->lanes[i];
        pthread_join(l->thread, NULL);
        LIST_EACH_SAFE(at, next, &l->tasks)
        {
            list_remove(at);
            free(list_item(at, struct task, link));
        }
        pthread_cond_destroy(&l->wake);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void scribe_take(struct scribe *s, uint64_t ticket, const struct request *r)
{
    struct lane *l = &s->lanes[request_prompt_bytes(r) > SCRIBE_SHORT_BYTES ? LONG : SHORT];
    struct task *t = xalloc(sizeof *t);
    *t = (struct task){.ticket = ticket, .r = r};
    pthread_mutex_lock(&s->lock);
    list_push(&l->tasks, &t->link);
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&s->lock);
}

static struct task *find(struct lane *l, uint64_t ticket)
{
    LIST_EACH(at, &l->tasks) {
        if (list_item(at, struct task, link)->ticket == ticket)
            return list_item(at, struct task, link);
    }
    return NULL;
}

bool scribe_forget(struct scribe *s, uint64_t ticket)
{
    struct task *t = NULL;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < LANES && t == NULL; i++) {
        struct lane *l = &s->lanes[i];
        if ((t = find(l, ticket)) != NULL)
            list_remove(&t->link);
        else if (l->works && l->now == ticket)
            atomic_store(&l->forget, true);
    }
    pthread_mutex_unlock(&s->lock);
    free(t);
    return t != NULL;
}
