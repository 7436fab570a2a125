/* Who gets the next free slot when several tenants wait, and what a request's priority does. One worker, one slot, and the
 * order in which the prompts' texts come out. */
#include "brain/queue/queue.h"
#include "head_story.h"

/* Ends what runs, again and again, and writes down the texts of what is sent instead. */
static struct {
    uint64_t job;
    struct buf order;
} seen;

static void see(struct story *s)
{
    for (size_t i = 0; i < s->fx.n; i++) {
        const struct wire_msg *m = &s->fx.fx[i].msg;
        if (s->fx.fx[i].kind != FX_SEND || m->type != WIRE_run)
            continue;
        struct str text = m->run.text;
        const char *pad = memchr(text.p, 'x', text.n);
        seen.job = m->run.job;
        if (seen.order.n > 0)
            buf_putc(&seen.order, ' ');
        buf_add(&seen.order, text.p, pad != NULL ? (size_t)(pad - text.p) : text.n);
    }
    buf_reset(&s->said);
}

/* One busy slot, under the limits of s.cfg. */
static struct story queue_open(struct story s)
{
    s.heard = see;
    seen.order = buf_max(1 << 20);
    seen.job = 0;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1 model=m text=running\n");
    buf_reset(&seen.order);
    return s;
}

static struct story queue_begin(void)
{
    return queue_open(story_begin());
}

static void done(struct story *s, const char *more)
{
    char line[80];
    snprintf(line, sizeof line, "done 1 job=%llu%s", (unsigned long long)seen.job, more);
    event(s, line);
}

static const char *order_of(struct story *s, int n)
{
    for (int i = 0; i < n; i++) {
        wait_ms(s, 100);
        event(s, "beat 1");
        done(s, "");
    }
    return buf_cstr(&seen.order);
}

static void queue_end(struct story *s)
{
    story_end(s);
    buf_fini(&seen.order);
}

static void prompts(struct story *s, uint64_t from, int n, const char *more)
{
    for (int i = 0; i < n; i++) {
        char line[200];
        snprintf(line, sizeof line, "prompt %llu model=m %s", (unsigned long long)from + (unsigned)i, more);
        event(s, line);
    }
}

/* Given a tenant with a thousand prompts waiting, when two others ask once each, then each is next but one at most. */
static void a_thousand_of_one_do_not_hold_up_the_single_one_of_another(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_jobs_max = 2000;
    s = queue_open(s);
    prompts(&s, 2, 1000, "tenant=many text=m");
    given(&s, "prompt 2000 model=m tenant=one text=o\nprompt 2001 model=m tenant=two text=t\n");
    assert_string_equal(order_of(&s, 5), "m o t m m");
    queue_end(&s);
}

/* Given two tenants that always have something waiting, one with prompts four times as long, when they are served, then the
 * work is shared and not the number of prompts. */
static void long_prompts_do_not_get_more(void **state)
{
    (void)state;
    struct story s = queue_begin();
    prompts(&s, 100, 6, "tenant=long max=1 pad=3988 text=L"); /* 997 tokens, 2 for the answer, 1 for the way */
    prompts(&s, 200, 20, "tenant=short max=1 pad=988 text=s"); /* 250 */
    const char *order = order_of(&s, 20);
    size_t longs = 0;
    for (const char *at = order; (at = strchr(at, 'L')) != NULL; at++)
        longs++;
    assert_int_equal(longs, 4); /* of twenty: 4 x 1000 against 16 x 250 */
    assert_string_equal(order, "s s s L s s s s L s s s s L s s s s L s");
    queue_end(&s);
}

/* Given a tenant that asks again as soon as it is served and never has two waiting, when its prompts are long and another's are short,
 * then it gets no more than its share either: what it was given is not forgotten for being idle between. */
static void asking_one_at_a_time_is_no_advantage(void **state)
{
    (void)state;
    struct story s = queue_begin();
    prompts(&s, 200, 40, "tenant=short max=1 pad=988 text=s");
    int longs = 0;
    for (int i = 0; i < 24; i++) {
        char line[100];
        if (buf_cstr(&seen.order)[0] == '\0' || seen.order.p[seen.order.n - 1] == 'L') {
            snprintf(line, sizeof line, "prompt %d model=m tenant=long max=1 pad=3988 text=L", 300 + i);
            event(&s, line);
            longs++;
        }
        order_of(&s, 1);
    }
    assert_true(longs == 5 || longs == 6);
    queue_end(&s);
}

/* Given answers of one tenant that come out ten times as long as another's, when that was seen, then its turns cost it more. */
static void long_answers_are_learned(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 2 model=m tenant=talks text=T\nprompt 3 model=m tenant=brief text=b\n");
    done(&s, "");
    done(&s, " tokens=500");
    done(&s, " tokens=50");
    prompts(&s, 99, 1, "text=_");
    buf_reset(&seen.order);
    prompts(&s, 100, 30, "tenant=talks text=T");
    prompts(&s, 200, 30, "tenant=brief text=b");
    assert_string_equal(order_of(&s, 22), "b b b b b b b b b T b b b b b b b b b b T b");
    queue_end(&s);
}

/* Given prompts without a tenant, when they wait, then the first that came is the first served. */
static void without_tenants_it_is_first_come_first_served(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 2 model=m text=1 pad=4000\nprompt 3 model=m text=2\nprompt 4 text=3\nprompt 5 model=m text=4\n");
    assert_string_equal(order_of(&s, 4), "1 2 3 4");
    queue_end(&s);
}

/* Given one tenant's prompts for any model and another's for one that an actor has, when both feed that actor, then they take
 * turns: naming no model is no way past the others, nor is it the end of the line. */
static void any_model_and_a_named_one_take_turns(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 2 tenant=any text=1\nprompt 3 tenant=any text=2\nprompt 4 tenant=any text=3\n"
              "prompt 5 model=m tenant=named text=a\nprompt 6 model=m tenant=named text=b\n");
    assert_string_equal(order_of(&s, 5), "1 a 2 b 3");
    queue_end(&s);
}

/* Given a worker that dies, when its prompts come back, then they go first, whoever else waits: they have had their turn. */
static void who_comes_back_goes_first(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 2 model=m tenant=t text=1\nprompt 3 model=m tenant=u priority=-100 text=2\nclosed 1\n"
              "open 2\nhello 2 node=b\nactor 2\n");
    assert_string_equal(buf_cstr(&seen.order), "running");
    event(&s, "done 2 job=1.2");
    assert_string_equal(buf_cstr(&seen.order), "running 1");
    queue_end(&s);
}

/* ---- priority ---- */

/* Given one tenant, when a later prompt has a lower number, then it goes before, and a higher one after. */
static void the_lower_number_goes_first(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 2 model=m text=plain\nprompt 3 model=m priority=1 text=later\nprompt 4 model=m text=plain2\n"
              "prompt 5 model=m priority=-1 text=sooner\nprompt 6 model=m priority=-100 text=first\n");
    assert_string_equal(order_of(&s, 5), "first sooner plain plain2 later");
    queue_end(&s);
}

/* Given a prompt of low priority, when others keep coming, then it waits for those that came within ten seconds per step, and
 * no longer. */
static void low_priority_does_not_starve(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 2 model=m priority=1 text=low\n");
    for (int i = 0; i < 8; i++) {
        prompts(&s, 10 + (uint64_t)i * 2, 2, "text=p"); /* two come for each that is served */
        for (int ms = 0; ms < 2000; ms += 500) {
            event(&s, "beat 1");
            wait_ms(&s, 500);
        }
        done(&s, "");
    }
    /* 16 came, those of the first 10 s go before: at 0, 2, 4, 6, 8 s */
    prompts(&s, 100, 1, "text=end");
    assert_string_equal(order_of(&s, 6), "p p p p p p p p p p low p p p");
    queue_end(&s);
}

/* Given two tenants, when one marks all its prompts urgent, then the other gets its half all the same; when one marks its
 * prompts as able to wait, then the other goes first, and it still gets a turn now and then. */
static void a_number_takes_nothing_from_other_tenants(void **state)
{
    (void)state;
    struct story s = queue_begin();
    prompts(&s, 100, 20, "tenant=pushy priority=-100 text=P");
    prompts(&s, 200, 4, "tenant=modest text=m");
    assert_string_equal(order_of(&s, 8), "P m P m P m P m");
    queue_end(&s);

    s = queue_begin();
    prompts(&s, 100, 4, "tenant=batch priority=50 text=B");
    prompts(&s, 200, 30, "tenant=people text=p");
    assert_string_equal(order_of(&s, 18), "p p p p p p p B p p p p p p p p B p");
    queue_end(&s);
}

static void a_priority_out_of_range_is_refused(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(&s, "> prompt 1 priority=101\nfailed 1 ERR_INVALID: priority 101 is out of range, -100 … 100\n"
              "> prompt 2 priority=-2147483648\nfailed 2 ERR_INVALID: priority -2147483648 is out of range, -100 … 100\n");
    story_end(&s);
}

/* ---- places, pace, room ---- */

static struct head_wait waits(const struct story *s, uint64_t call)
{
    struct head_wait w = {0};
    assert_true(head_call_waits(s->head, call, &w));
    return w;
}

/* Given tenants with several prompts each, when one asks for the place of each, then it is the order in which they are sent. */
static void places_are_the_order_in_which_they_are_sent(void **state)
{
    (void)state;
    struct story s = queue_begin();
    given(&s, "prompt 10 model=m tenant=a text=10\nprompt 11 model=m tenant=a text=11 pad=3000\nprompt 12 model=m tenant=a text=12\n"
              "prompt 20 model=m tenant=b text=20 pad=600\nprompt 21 model=m tenant=b priority=-3 text=21\n"
              "prompt 30 model=m tenant=c priority=9 text=30\nprompt 31 model=m tenant=c text=31 max=3\nprompt 40 model=m text=40\n");
    static const uint64_t calls[] = {10, 11, 12, 20, 21, 30, 31, 40};
    enum { CALLS = sizeof calls / sizeof calls[0] };
    uint64_t at[CALLS + 1] = {0};
    struct buf told = buf_max(1000);
    for (int i = 0; i < CALLS; i++) {
        uint32_t place = waits(&s, calls[i]).place;
        assert_true(place >= 1 && place <= CALLS && at[place] == 0);
        at[place] = calls[i];
    }
    for (int i = 1; i <= CALLS; i++)
        buf_printf(&told, "%s%llu", i > 1 ? " " : "", (unsigned long long)at[i]);
    assert_string_equal(order_of(&s, CALLS), buf_cstr(&told));
    buf_fini(&told);
    queue_end(&s);
}

/* Given an actor with four slots that come free all at once, when one asks how long it takes, then the pace is four at a time. */
static void a_burst_counts_as_so_many(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4\n");
    prompts(&s, 1, 24, "");
    uint32_t job = 1;
    for (int round = 0; round < 3; round++) {
        for (int ms = 0; ms < 4000; ms += 1000) {
            event(&s, "beat 1");
            wait_ms(&s, 1000);
        }
        for (int i = 0; i < 4; i++, job++) {
            char line[40];
            snprintf(line, sizeof line, "done 1 job=%u", job);
            event(&s, line);
        }
    }
    struct head_wait w = waits(&s, 24);
    assert_int_equal(w.place, 8);
    assert_float_equal(w.eta_s, 8, 1.2); /* a job per second, 8 to go */
    story_end(&s);
}

/* Given two models, one quick and one slow, when prompts wait for both, then each is told the time of its own. */
static void each_model_has_its_own_pace(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0 model=quick\nactor 1 key=1 model=slow\n");
    for (int i = 0; i < 40; i++) {
        char line[60];
        snprintf(line, sizeof line, "prompt %d model=%s", 1 + i, i % 2 == 0 ? "quick" : "slow");
        event(&s, line);
    }
    for (uint32_t tick = 1; tick <= 10; tick++) {
        char line[60];
        wait_ms(&s, 1000);
        event(&s, "beat 1 loads=0");
        snprintf(line, sizeof line, "done 1 job=%u", 2 * tick - 1); /* the odd ones are quick */
        event(&s, line);
        if (tick % 5 == 0) {
            snprintf(line, sizeof line, "done 1 job=%u", 2 * tick / 5);
            event(&s, line);
        }
    }
    struct head_wait quick = waits(&s, 39), slow = waits(&s, 40);
    assert_true(quick.place == 9 && slow.place == 17);
    assert_float_equal(quick.eta_s, 9, 0.5);
    assert_float_equal(slow.eta_s, 85, 1);
    story_end(&s);
}

/* Given tenants told apart, when one fills the queue, then it is stopped before the queue is full, with when to come back, and
 * another still gets in; when nobody is told apart, all of the queue is one's own. */
static void one_tenant_does_not_get_all_the_room(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_jobs_max = 20;
    s = queue_open(s);
    prompts(&s, 100, 30, "tenant=many text=m");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_int_equal(t.queued, 16);
    s.heard = NULL;
    story(&s, "> prompt 200 model=m tenant=many\n"
              "failed 200 ERR_BUSY: 16 requests of 'many' wait already; the 4 places that are left of 20 are kept for others "
              "(queue_jobs_max, tenant_share); come back in 5 s retry=5\n"
              "> prompt 201 model=m tenant=few\n> prompt 202 model=m\n> prompt 203 model=m tenant=few\n> prompt 204 model=m tenant=else\n"
              "> prompt 205 model=m tenant=else\n"
              "failed 205 ERR_BUSY: the queue is full: 20 of 20 requests wait (queue_jobs_max); come back in 5 s retry=5\n");
    queue_end(&s);

    s = story_begin();
    s.cfg.queue_jobs_max = 20;
    s = queue_open(s);
    prompts(&s, 100, 30, "text=m");
    head_totals(s.head, &t);
    assert_int_equal(t.queued, 20);
    queue_end(&s);
}

/* The same for bytes. */
static void one_tenant_does_not_get_all_the_memory(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_bytes_max = 100000;
    s = queue_open(s);
    prompts(&s, 100, 60, "tenant=many pad=4000 text=m");
    struct head_totals t, then;
    head_totals(s.head, &t);
    assert_true(t.queue_bytes > 60000 && t.queue_bytes <= 80000);
    prompts(&s, 200, 1, "tenant=few pad=4000 text=f");
    head_totals(s.head, &then);
    assert_int_equal(then.queued, t.queued + 1);
    queue_end(&s);
}

/* Given a flood of names, when each asks once, then the table of names stays within its limit, those with calls keep theirs,
 * and those whom it has no room for share the common tenant. */
static void a_flood_of_names_stays_within_the_table(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.tenants_max = 100;
    s = queue_open(s);
    struct head_tenant_view v;
    for (int i = 0; i < 150; i++) {
        char line[60];
        snprintf(line, sizeof line, "prompt %d model=m tenant=t%d", 1000 + i, i);
        event(&s, line);
    }
    uint32_t n = 0, labelled = 0, common = 0;
    for (uint64_t from = 0; head_tenant_at(s.head, from, &v); from = v.id + 1) {
        n++;
        labelled += v.labelled;
        if (str_is(v.name, "common"))
            common = v.queued;
    }
    assert_int_equal(n, 100);
    assert_int_equal(labelled, HEAD_TENANT_LABELS);
    assert_int_equal(common, 51);
    for (int i = 0; i < 150; i++) {
        char line[60];
        snprintf(line, sizeof line, "gone %d", 1000 + i);
        event(&s, line);
    }
    for (int i = 0; i < 1000; i++) { /* each is forgotten for the next */
        char line[60];
        snprintf(line, sizeof line, "prompt %d model=m tenant=u%d", 2000 + i, i);
        event(&s, line);
        snprintf(line, sizeof line, "gone %d", 2000 + i);
        event(&s, line);
    }
    n = 0;
    for (uint64_t from = 0; head_tenant_at(s.head, from, &v); from = v.id + 1)
        n++;
    assert_int_equal(n, 100);
    queue_end(&s);
}

/* What a call can be seen to do, from the queue to its tokens. */
static void a_call_can_be_watched(void **state)
{
    (void)state;
    struct story s = queue_begin();
    struct head_call_view v;
    given(&s, "prompt 2 model=m tenant=t priority=-4\n");
    assert_true(head_call_view(s.head, 2, &v));
    assert_true(str_is(v.tenant, "t") && str_is(v.model, "m") && v.priority == -4 && v.running == 0 && v.wait.place == 1);
    given(&s, "done 1 job=1\n");
    assert_true(head_call_view(s.head, 2, &v));
    assert_true(v.running == 1 && v.prefilled == 0 && v.actor == 0 && str_is(v.node, "a") && v.wait.place == 0);
    given(&s, "prefilled 1 job=2\ntokens 1 job=2 n=3\n");
    assert_true(head_call_view(s.head, 2, &v));
    assert_true(v.prefilled == 1 && v.tokens == 3);
    given(&s, "done 1 job=2\n");
    assert_false(head_call_view(s.head, 2, &v));
    queue_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_of_one_do_not_hold_up_the_single_one_of_another),
        cmocka_unit_test(long_prompts_do_not_get_more),
        cmocka_unit_test(asking_one_at_a_time_is_no_advantage),
        cmocka_unit_test(long_answers_are_learned),
        cmocka_unit_test(without_tenants_it_is_first_come_first_served),
        cmocka_unit_test(any_model_and_a_named_one_take_turns),
        cmocka_unit_test(who_comes_back_goes_first),
        cmocka_unit_test(the_lower_number_goes_first),
        cmocka_unit_test(low_priority_does_not_starve),
        cmocka_unit_test(a_number_takes_nothing_from_other_tenants),
        cmocka_unit_test(a_priority_out_of_range_is_refused),
        cmocka_unit_test(places_are_the_order_in_which_they_are_sent),
        cmocka_unit_test(a_burst_counts_as_so_many),
        cmocka_unit_test(each_model_has_its_own_pace),
        cmocka_unit_test(one_tenant_does_not_get_all_the_room),
        cmocka_unit_test(one_tenant_does_not_get_all_the_memory),
        cmocka_unit_test(a_flood_of_names_stays_within_the_table),
        cmocka_unit_test(a_call_can_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
