/* Links of the head: hello, versions, tokens, names, epochs, silence, and what nobody may say. */
#include "head_story.h"

static void a_worker_joins_and_registers_its_actor(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.logs = true;
    story(&s, "> open 1\n"
              "> hello 1 node=laptop\n"
              "send 1 welcome worker=1\n"
              "[CLUSTER CONNECTION] event=worker_joined node=laptop address=10.0.0.1 worker=1 pid=0 cpus=2 memory_bytes=3000000000 engine=\"\"\n"
              "[CLUSTER STATUS] event=resources cpus=2 memory_bytes=3000000000\n"
              "> actor 1 key=0 model=gpt2 state=loading\n"
              "send 1 actor_ack key=0 id=0\n"
              "[ACTOR REGISTRATION] event=actor_state actor=0 state=loading model=gpt2 node=laptop slots=1 context=1000\n"
              "> actor 1 key=0 model=gpt2 slots=4\n"
              "[ACTOR REGISTRATION] event=actor_state actor=0 state=ready model=gpt2 node=laptop slots=4 context=1000\n"
              "[ACTOR STATUS] event=actors actors=1\n"
              "[CLUSTER STATUS] event=resources cpus=2 memory_bytes=3000000000\n"
              "> closed 1\n"
              "[CLUSTER CONNECTION] event=worker_left node=laptop worker=1 actors=1 silent=0\n"
              "[ACTOR STATUS] event=actors actors=0\n"
              "[CLUSTER STATUS] event=resources cpus=0 memory_bytes=0\n");
    story_end(&s);
}

static void actors_get_ids_in_the_order_of_registration(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nopen 2\nhello 2 node=b\n");
    story(&s, "> actor 2 key=0\nsend 2 actor_ack key=0 id=0\n"
              "> actor 1 key=3\nsend 1 actor_ack key=3 id=1\n"
              "> actor 2 key=1 model=n\nsend 2 actor_ack key=1 id=2\n"
              "> actor 2 key=1 model=n state=gone\n"
              "> actor 2 key=1 model=n\nsend 2 actor_ack key=1 id=3\n"); /* another life, another id */
    story_end(&s);
}

static void status_lines_come_back_without_a_change(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.status_every_ms = 30000;
    given(&s, "open 1\nhello 1 node=a role=2\n");
    s.logs = true;
    story(&s, "> wait 29999\n"
              "> wait 1\n"
              "[ACTOR STATUS] event=actors actors=0\n"
              "[CLUSTER STATUS] event=resources cpus=0 memory_bytes=0\n");
    story_end(&s);
}

static void another_protocol_is_refused_for_good(void **state)
{
    (void)state;
    struct story s = story_begin();
    char why[200], text[600];
    snprintf(why, sizeof why,
             "worker speaks protocol 9999 (manta 7.0.0), this head speaks protocol %d (manta 0.1.0): run the same version of manta on both sides",
             WIRE_VERSION);
    snprintf(text, sizeof text,
             "> open 1\n"
             "> hello 1 node=a proto=9999 version=7.0.0\n"
             "send 1 refuse ERR_VERSION final: %s\n"
             "close 1: %s\n"
             "> actor 1 key=0\n" /* it has not read the refusal yet: ignored */
             "> closed 1\n",
             why, why);
    story(&s, text);
    story_end(&s);
}

static void another_version_of_the_same_protocol_is_a_warning(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.logs = true;
    story(
        &s,
        "> open 1\n"
        "> hello 1 node=a version=0.0.9 cpus=1\n"
        "send 1 welcome worker=1\n"
        "[CLUSTER CONNECTION] event=worker_joined node=a address=10.0.0.1 worker=1 pid=0 cpus=1 memory_bytes=3000000000 engine=\"\"\n"
        "[CLUSTER CONNECTION] event=other_version node=a version=0.0.9\n"
        "[CLUSTER STATUS] event=resources cpus=1 memory_bytes=3000000000\n");
    story_end(&s);
}

static void a_wrong_or_missing_token_is_refused(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.join_token = str_of("secret");
    story(&s, "> open 1\n"
              "> hello 1 node=a token=secreT\n"
              "send 1 refuse ERR_AUTH final: wrong join token: give it the --join-token of the head; where the head was given none, it is in the state "
              "folder of the head's user, on the head's machine, where that user's workers find it\n"
              "close 1: wrong join token: give it the --join-token of the head; where the head was given none, it is in the state "
              "folder of the head's user, on the head's machine, where that user's workers find it\n"
              "> open 2\n"
              "> hello 2 node=a\n"
              "send 2 refuse ERR_AUTH final: no join token: give it the --join-token of the head; where the head was given none, it is in the state "
              "folder of the head's user, on the head's machine, where that user's workers find it\n"
              "close 2: no join token: give it the --join-token of the head; where the head was given none, it is in the state "
              "folder of the head's user, on the head's machine, where that user's workers find it\n"
              "> open 3\n"
              "> hello 3 node=a token=secret\n"
              "send 3 welcome worker=1\n");
    story_end(&s);
}

static void nonsense_in_hello_is_refused(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(&s, "> open 1\n"
              "> hello 1 node=a role=9\n"
              "send 1 refuse ERR_INVALID final: role 9 is neither worker (1) nor launcher (2)\n"
              "close 1: role 9 is neither worker (1) nor launcher (2)\n"
              "> open 2\n"
              "> hello 2 node=\n"
              "send 2 refuse ERR_INVALID final: the node name must have 1 to 128 bytes of printable UTF-8\n"
              "close 2: the node name must have 1 to 128 bytes of printable UTF-8\n"
              "> open 3\n"
              "> hello 3 node=a cpus=nan\n"
              "send 3 refuse ERR_INVALID final: nan is no number of processors\n"
              "close 3: nan is no number of processors\n");
    story_end(&s);
}

static void who_does_not_say_hello_is_closed(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(&s, "> open 1\n"
              "> wait 4999\n"
              "> wait 1\n"
              "send 1 refuse ERR_TIMEOUT: no hello within 5000 ms of dialling\n"
              "close 1: no hello within 5000 ms of dialling\n"
              "> open 2\n"
              "> beat 2\n"
              "send 2 refuse ERR_PROTOCOL: the first message must be 'hello', not 'beat'\n"
              "close 2: the first message must be 'hello', not 'beat'\n");
    story_end(&s);
}

static void more_links_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.links_max = 1;
    given(&s, "open 1\nhello 1 node=a\nopen 2\n");
    story(&s, "> hello 2 node=b\n"
              "send 2 refuse ERR_BUSY: this head has its 1 links already (links_max)\n"
              "close 2: this head has its 1 links already (links_max)\n"
              "> closed 2\n");
    given(&s, "closed 1\nopen 3\nhello 3 node=b\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_int_equal(t.workers, 1);
    story_end(&s);
}

/* Given links that say nothing, most of them from one address; when one more dials than may wait, then the oldest of that address gives way,
 * and neither a worker nor one who dialled from elsewhere. */
static void who_says_nothing_gives_way(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.newcomers_max = 3;
    given(&s, "open 1 from=9\nhello 1 node=a\n");
    story(&s, "> open 2 from=7\n"
              "> open 3 from=9\n"
              "> open 4 from=9\n"
              "> open 5 from=9\n"
              "close 3: it said no hello, and gave way to others (newcomers_max)\n"
              "> open 6 from=8\n"
              "close 4: it said no hello, and gave way to others (newcomers_max)\n"
              "> hello 3 node=c\n"
              "> closed 3\n");
    given(&s, "hello 2 node=b\n");
    story(&s, "> open 10 from=9\n"); /* who has said hello takes no place of theirs */
    story_end(&s);
}

static void more_actors_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.actors_max = 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\n");
    story(&s, "> actor 2\n"
              "send 2 refuse ERR_BUSY: this head has its 1 actors already (actors_max)\n"
              "close 2: this head has its 1 actors already (actors_max)\n");
    story_end(&s);
}

static void one_name_for_two_nodes_is_told_apart(void **state)
{
    (void)state;
    struct story s = story_begin();
    struct head_worker_view v;
    given(&s, "open 1\nhello 1 node=pc epoch=1\nopen 2\nhello 2 node=pc epoch=2\nopen 3\nhello 3 node=pc epoch=3\n");
    const char *names[] = {"pc", "pc#2", "pc#3"};
    uint64_t from = 0;
    for (int i = 0; i < 3; i++, from = v.id + 1) {
        assert_true(head_worker_at(s.head, from, s.now_us, &v));
        assert_true(str_is(v.node, names[i]));
    }
    assert_false(head_worker_at(s.head, from, s.now_us, &v));
    given(&s, "closed 2\nopen 4\nhello 4 node=pc epoch=4\n"); /* the free name is taken again */
    assert_true(head_worker_at(s.head, 4, s.now_us, &v));
    assert_true(str_is(v.node, "pc#2"));
    story_end(&s);
}

/* Containers that all call themselves "worker": the names stay apart, and joining does not take longer with each of them. */
static void one_name_for_forty_nodes_is_told_apart(void **state)
{
    (void)state;
    struct story s = story_begin();
    struct head_worker_view v, w;
    char join[80];
    for (int i = 1; i <= 40; i++) {
        snprintf(join, sizeof join, "open %d\nhello %d node=pc epoch=%d\n", i, i, i);
        given(&s, join);
    }
    uint32_t pairs = 0;
    for (uint64_t from = 0; head_worker_at(s.head, from, s.now_us, &v); from = v.id + 1)
        for (uint64_t other = v.id + 1; head_worker_at(s.head, other, s.now_us, &w); other = w.id + 1, pairs++)
            assert_false(str_eq(v.node, w.node));
    assert_int_equal(pairs, 40 * 39 / 2);
    story_end(&s);
}

static void a_worker_that_comes_back_replaces_its_old_link(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a epoch=5\nactor 1\n");
    story(&s, "> open 2\n"
              "> hello 2 node=a epoch=5\n"
              "close 1: the worker came back on a new link\n"
              "send 2 welcome worker=2\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "> closed 1\n"
              "> prompt 1 text=hi\n"
              "send 2 run job=1.1 key=0 seed=0 hi\n");
    struct head_worker_view v;
    assert_true(head_worker_at(s.head, 0, s.now_us, &v));
    assert_true(str_is(v.node, "a")); /* no suffix: it is the same one */
    story_end(&s);
}

static void silence_makes_a_worker_slow_then_lost(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.logs = true;
    given(&s, "open 1\nhello 1 node=a\nactor 1\n");
    story(&s, "> wait 2500\n"
              "[WORKER HEALTH] event=worker_silent node=a silent_ms=2500\n"
              "> prompt 1 text=hi\n" /* a slow worker gets nothing new */
              "> beat 1 loads=0\n"
              "send 1 beat_ack 1002500\n"
              "[WORKER HEALTH] event=worker_heard_again node=a\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> wait 2500\n"
              "[WORKER HEALTH] event=worker_silent node=a silent_ms=2500\n"
              "> wait 500\n"
              "[CLUSTER CONNECTION] event=worker_left node=a worker=1 actors=1 silent=1\n"
              "[FAILOVER] event=jobs_rerouted jobs=1 actor=0 code=ERR_WORKER_LOST\n"
              "close 1: no sign of life for 3000 ms\n"
              "[ACTOR STATUS] event=actors actors=0\n"
              "[CLUSTER STATUS] event=resources cpus=0 memory_bytes=0\n");
    story_end(&s);
}

static struct story two_workers_of_two_slots(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=2\nopen 2\nhello 2 node=b\nactor 2 slots=2\n");
    return s;
}

/* Both beat, a at `a` tokens/s and b at `b`, so many times a second apart. */
static void beats(struct story *s, int times, const char *a, const char *b)
{
    for (int i = 0; i < times; i++) {
        char lines[128];
        snprintf(lines, sizeof lines, "wait 1000\nbeat 1 %s\nbeat 2 %s\n", a, b);
        given(s, lines);
    }
}

static enum worker_state state_of_b(struct story *s)
{
    struct head_worker_view w = {0};
    assert_true(head_worker_at(s->head, 2, s->now_us, &w));
    return w.state;
}

/* Two actors of one model, both busy. One falls to a quarter of the other's speed and stays there: it is said once, with the reason, and it
 * still gets what nobody else can take. When it is back at half, that is said, too. */
static void a_worker_far_slower_than_its_peers_is_slow(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.logs = true;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2 slots=2\nprompt 1\nprompt 2\n");
    beats(&s, 3, "decode=100 busy=1", "decode=45 busy=1");
    beats(&s, 2, "decode=100 busy=1", "decode=25 busy=1");
    assert_int_equal(state_of_b(&s), WORKER_OK);
    given(&s, "wait 1000\nbeat 1 decode=100 busy=1\n");
    story(&s, "> beat 2 decode=25 busy=1\nsend 2 beat_ack 1006000\n"
              "[WORKER HEALTH] event=actor_slow actor=1 node=b decode_tps=25 best_tps=100\n"
              "> beat 2 decode=45 busy=1\nsend 2 beat_ack 1006000\n"
              "> prompt 3 text=y\nsend 2 run job=3.1 key=0 seed=0 y\n");
    struct head_worker_view w;
    struct head_actor_view a;
    assert_true(head_worker_at(s.head, 2, s.now_us, &w) && w.state == WORKER_SLOW);
    assert_true(str_is(w.reason, "actor 1 makes 45.0 tokens/s, another of its model 100.0 at the same time"));
    assert_true(head_actor_at(s.head, 1, &a) && a.worker_state == WORKER_SLOW && a.worker_reason.n == w.reason.n);
    story(&s, "> beat 2 decode=60 busy=2\nsend 2 beat_ack 1006000\n"
              "[WORKER HEALTH] event=actor_slow_no_more actor=1 node=b decode_tps=60\n");
    assert_int_equal(state_of_b(&s), WORKER_OK);
    story_end(&s);
}

/* Given two workers that share two processors; when one was measured alone and rests by now, and the other is measured beside others; then
 * neither is slow, however far apart the figures are. The same where the one has just begun, and where it has no steps to be measured by. */
static void only_what_is_measured_at_the_same_time_is_compared(void **state)
{
    (void)state;
    static const char *const others[] = {"decode=88 busy=0", "decode=900000 busy=1"};
    for (size_t i = 0; i < 2; i++) {
        struct story s = two_workers_of_two_slots();
        given(&s, "prompt 1\nprompt 2\n");
        beats(&s, 1, "decode=88 busy=1", "decode=24.8 busy=1");
        beats(&s, 10, others[i], "decode=24.8 busy=1");
        assert_int_equal(state_of_b(&s), WORKER_OK);
        story_end(&s);
    }
}

/* Given an actor that is slow beside another one; when it has ended what it had, or the other one has; then it is slow no longer. One that
 * makes less than it once did is not slow for that. */
static void what_rests_is_not_slow(void **state)
{
    (void)state;
    static const char *const after[][2] = {{"decode=100 busy=1", "decode=20 busy=0"}, {"decode=100 busy=0", "decode=20 busy=1"}};
    for (size_t i = 0; i < 2; i++) {
        struct story s = two_workers_of_two_slots();
        given(&s, "prompt 1\nprompt 2\n");
        beats(&s, 3, "decode=100 busy=1", "decode=95 busy=1");
        beats(&s, 5, "decode=100 busy=1", "decode=20 busy=1");
        assert_int_equal(state_of_b(&s), WORKER_SLOW);
        given(&s, "done 1 job=1\ndone 2 job=2\n");
        beats(&s, 4, after[i][0], after[i][1]);
        assert_int_equal(state_of_b(&s), WORKER_OK);
        story_end(&s);
    }
}

static void a_head_that_slept_does_not_blame_its_workers(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\n");
    story(&s, "> sleep 600000\n"
              "> tick\n"
              "> beat 1 loads=0\n"
              "send 1 beat_ack 1600000\n"
              "> wait 2999\n"
              "> wait 1\n"
              "close 1: no sign of life for 3000 ms\n");
    story_end(&s);
}

static void what_a_worker_may_not_say_ends_its_link(void **state)
{
    (void)state;
    static const struct {
        const char *says, *why;
    } cases[] = {
        {"actor 1 key=16", "actor key 16: a worker has at most 16 actors, keys from 0"},
        {"actor 1 state=unheard-of", "actor 0: unknown state 0"},
        {"actor 1 slots=0", "actor 0 is ready with 0 slots: 1 to 1024 can be"},
        {"actor 1 slots=1025", "actor 0 is ready with 1025 slots: 1 to 1024 can be"},
        {"actor 1 context=0", "actor 0 is ready with a context of 0 tokens: 1 to 16777216 can be"},
        {"actor 1 kind=7", "actor 0: kind 7 is neither chat (1) nor embedding (3)"},
        {"actor 1 model=", "actor 0: the model name must have 1 to 128 bytes of printable UTF-8"},
        {"actor 1 state=gone", "actor 0 is gone, but was never registered"},
        {"beat 1 key=0", "a beat with the load of actor 0, which was never registered"},
        {"beat 1 loads=17", "a beat with 17 loads: a worker has at most 16 actors"},
        {"run 1", "a worker does not send 'run'"},
        {"hello 1 node=a", "a worker does not send 'hello'"},
        {"scaled 1", "a worker does not send 'scale_state'"},
        {"done 1 job=5", "it speaks of job 5, which never was"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story s = story_begin();
        char text[512];
        given(&s, "open 1\nhello 1 node=a\n");
        snprintf(text, sizeof text, "> %s\nsend 1 refuse ERR_PROTOCOL: %s\nclose 1: %s\n", cases[i].says, cases[i].why,
                 cases[i].why);
        story(&s, text);
        story_end(&s);
    }
}

static void a_ready_actor_stays_what_it_is(void **state)
{
    (void)state;
    static const char *const changes[] = {"model=other", "kind=3", "digest=d2", "slots=2", "context=7"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct story s = story_begin();
        char line[64];
        given(&s, "open 1\nhello 1 node=a\nactor 1\n");
        snprintf(line, sizeof line, "actor 1 %s\n", changes[i]);
        given(&s, line);
        struct head_worker_view v;
        assert_false(head_worker_at(s.head, 0, s.now_us, &v));
        story_end(&s);
    }
}

static void a_launcher_is_asked_for_workers(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(&s, "> scale 1 workers=3\n"
              "failed 1 ERR_UNAVAILABLE: this head has no launcher, so nobody can start workers for it: ask the head that has one (`manta up` and "
              "`manta launcher` join one head), or name all of them, `manta scale --head A,B`\n"
              "> open 1\n"
              "> hello 1 node=up role=2\n"
              "send 1 welcome worker=0\n"
              "> scale 2 workers=3\n"
              "send 1 scale workers=3\n"
              "end 2 of 0\n"
              "> scale 3 workers=257\n"
              "failed 3 ERR_INVALID: 257 workers were asked for, at most 256 can be\n"
              "> scaled 1 running=2 target=3\n");
    struct head_scale_view v;
    head_scale_view(s.head, &v);
    assert_true(v.launcher && v.running == 2 && v.target == 3 && v.desired == 3);
    story(&s, "> actor 1\n"
              "send 1 refuse ERR_PROTOCOL: a launcher does not send 'actor'\n"
              "close 1: a launcher does not send 'actor'\n");
    story_end(&s);
}

static void a_model_that_never_loaded_is_not_waited_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 state=loading\n");
    story(&s, "> prompt 1 model=m\n"
              "> actor 1 state=failed note=too-big\n"
              "> wait 1\n"
              "failed 1 ERR_UNAVAILABLE: 'm' cannot be loaded: too-big retry=5\n");
    story_end(&s);
}

static void a_model_that_failed_here_may_come_back_elsewhere(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 state=failed note=too-big\n"
              "open 2\nhello 2 node=b\nactor 2\nclosed 2\n");
    story(&s, "> prompt 1 model=m\n" /* node b is being restarted */
              "> wait 2000\n");
    given(&s, "open 3\nhello 3 node=b\n");
    story(&s, "> actor 3\n"
              "send 3 actor_ack key=0 id=2\n"
              "send 3 run job=1.1 key=0 seed=0 hi\n");
    story_end(&s);
}

/* Given actors that served, and then failed one after the other, then who waits for one of them is told why when the last has failed, and
 * who comes later at once; who was being answered waits for them to be mended. */
static void actors_that_served_and_failed_are_not_waited_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2 slots=1\nactor 1 state=failed note=cut-short\n");
    given(&s, "prompt 1 model=m\nprompt 2 model=m\n");
    story(&s, "> actor 2 state=failed note=cut-short-too\n"
              "send 2 cancel job=1.1\n"
              "> wait 1\n"
              "failed 2 ERR_UNAVAILABLE: 'm' cannot be loaded: cut-short-too retry=5\n"
              "> prompt 3 model=m\n"
              "failed 3 ERR_UNAVAILABLE: model 'm' cannot be loaded: cut-short-too retry=5\n"
              "> actor 1 state=loading\n" /* its file is whole again */
              "> prompt 4 model=m\n"
              "> actor 1\n"
              "send 1 run job=1.2 key=0 seed=0 hi\n");
    story_end(&s);
}

/* Given an actor that failed, and one whose worker is gone, then that one is waited for; when it is back and fails, too, or when it was
 * loading and its worker goes, there is nobody left to wait for. */
static void who_comes_back_and_fails_is_not_waited_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 state=failed note=too-big\nopen 2\nhello 2 node=b\nactor 2\nclosed 2\n");
    story(&s, "> prompt 1 model=m\n"
              "> wait 2000\n");
    given(&s, "open 3\nhello 3 node=b\nactor 3 state=loading\n");
    story(&s, "> wait 500\n"
              "> actor 3 state=failed note=no-room\n"
              "> wait 1\n"
              "failed 1 ERR_UNAVAILABLE: 'm' cannot be loaded: no-room retry=5\n");
    given(&s, "actor 3 state=loading\n");
    story(&s, "> prompt 2 model=m\n"
              "> closed 3\n"
              "> wait 1\n"
              "failed 2 ERR_UNAVAILABLE: 'm' cannot be loaded: no-room retry=5\n");
    story_end(&s);
}

/* Given an actor that failed, while a launcher has fewer workers than it is to keep up, then the next one is waited for, until all run. */
static void a_launcher_that_brings_a_worker_is_waited_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=1 target=2\n"
              "open 2\nhello 2 node=a\nactor 2 state=failed note=too-big\n");
    story(&s, "> prompt 1 model=m\n"
              "> wait 2000\n"
              "> scaled 1 running=2 target=2\n"
              "> wait 1\n"
              "failed 1 ERR_UNAVAILABLE: 'm' cannot be loaded: too-big retry=5\n"
              "> scaled 1 running=1 target=2\n"
              "> prompt 2 model=m\n");
    story_end(&s);
}

static void a_failed_actor_says_why_and_may_come_back(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 state=loading\nactor 1 state=failed note=too-big\n");
    struct head_actor_view v;
    assert_true(head_actor_at(s.head, 0, &v) && v.state == WIRE_ACTOR_FAILED && str_is(v.note, "too-big"));
    story(&s, "> prompt 1 model=m\n"
              "failed 1 ERR_UNAVAILABLE: model 'm' cannot be loaded: too-big retry=5\n"
              "> actor 1 state=loading\n"
              "> prompt 2 model=m\n"
              "> actor 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_joins_and_registers_its_actor),
        cmocka_unit_test(actors_get_ids_in_the_order_of_registration),
        cmocka_unit_test(status_lines_come_back_without_a_change),
        cmocka_unit_test(another_protocol_is_refused_for_good),
        cmocka_unit_test(another_version_of_the_same_protocol_is_a_warning),
        cmocka_unit_test(a_wrong_or_missing_token_is_refused),
        cmocka_unit_test(nonsense_in_hello_is_refused),
        cmocka_unit_test(who_does_not_say_hello_is_closed),
        cmocka_unit_test(more_links_than_the_limit_are_refused),
        cmocka_unit_test(who_says_nothing_gives_way),
        cmocka_unit_test(more_actors_than_the_limit_are_refused),
        cmocka_unit_test(one_name_for_two_nodes_is_told_apart),
        cmocka_unit_test(one_name_for_forty_nodes_is_told_apart),
        cmocka_unit_test(a_worker_that_comes_back_replaces_its_old_link),
        cmocka_unit_test(a_worker_far_slower_than_its_peers_is_slow),
        cmocka_unit_test(only_what_is_measured_at_the_same_time_is_compared),
        cmocka_unit_test(what_rests_is_not_slow),
        cmocka_unit_test(silence_makes_a_worker_slow_then_lost),
        cmocka_unit_test(a_head_that_slept_does_not_blame_its_workers),
        cmocka_unit_test(what_a_worker_may_not_say_ends_its_link),
        cmocka_unit_test(a_ready_actor_stays_what_it_is),
        cmocka_unit_test(a_launcher_is_asked_for_workers),
        cmocka_unit_test(a_model_that_never_loaded_is_not_waited_for),
        cmocka_unit_test(a_model_that_failed_here_may_come_back_elsewhere),
        cmocka_unit_test(actors_that_served_and_failed_are_not_waited_for),
        cmocka_unit_test(who_comes_back_and_fails_is_not_waited_for),
        cmocka_unit_test(a_launcher_that_brings_a_worker_is_waited_for),
        cmocka_unit_test(a_failed_actor_says_why_and_may_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
