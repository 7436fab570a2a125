/* Calls: which model, how many branches, the queue and its limits, deadlines, clients that go away. */
#include "head_story.h"

static void a_prompt_is_answered(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\n");
    story(&s, "> prompt 7 text=hello seed=5\n"
              "send 1 run job=1.1 key=0 seed=5 hello\n"
              "> prefilled 1 job=1\n"
              "started 7.0 actor=0 node=a\n"
              "> tokens 1 job=1 first=0 n=2 text=good\n"
              "tokens 7.0 first=0 n=2 good\n"
              "> tokens 1 job=1 first=2 n=1 text=bye part=1 call=0 bytes=3\n" /* reasoning */
              "tokens 7.0 first=2 n=1 bye part=1 call=0 bytes=3\n"
              "> tokens 1 job=1 first=3 n=0 text=!\n" /* what was held back for a stop string */
              "tokens 7.0 first=3 n=0 !\n"
              "> done 1 job=1 tokens=3\n"
              "done 7.0 finish=1 actor=0 node=a tokens=3\n"
              "end 7 of 1\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_true(t.calls == 0 && t.calls_total == 1 && t.answer_tokens == 3 && t.queue_bytes == 0 && t.running == 0);
    story_end(&s);
}

/* Given a prompt whose progress is wanted, it is told until the first token; of an answer that is computed again after a failover it is not, and
 * where nobody asked for it, or there is no such prompt, the link ends. */
static void a_prompt_is_watched(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    story(&s, "> prompt 7 progress=1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> progress 1 job=1 prompt=9 cached=2 done=2\n"
              "progress 7.0 done=2 of 9 cached=2\n"
              "> progress 1 job=1 prompt=9 cached=2 done=9\n"
              "progress 7.0 done=9 of 9 cached=2\n"
              "> prefilled 1 job=1\n"
              "started 7.0 actor=0 node=a\n"
              "> tokens 1 job=1 first=0 n=2 text=good\n"
              "tokens 7.0 first=0 n=2 good\n"
              "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=0 hi resume=7,8\n"
              "> progress 2 job=1.2 prompt=9 cached=0 done=9\n"
              "> prefilled 2 job=1.2\n"
              "> progress 2 job=1.2 prompt=9 cached=0 done=9\n"
              "send 2 refuse ERR_PROTOCOL: job 1: progress of no prompt\n"
              "close 2: job 1: progress of no prompt\n");
    story_end(&s);
}

static void an_embedding_is_answered_by_an_actor_of_that_kind(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0 model=gpt\nactor 1 key=1 model=minilm kind=3\n");
    story(&s, "> prompt 1 kind=3 text=cat\n"
              "send 1 run job=1.1 key=1 seed=0 cat\n"
              "> prefilled 1 job=1\n"
              "started 1.0 actor=1 node=a\n"
              "> done 1 job=1 vector=8\n"
              "done 1.0 finish=1 actor=1 node=a vector=8\n"
              "end 1 of 1\n"
              "> prompt 2 kind=3 model=gpt\n"
              "failed 2 ERR_UNSUPPORTED: model 'gpt' generates text, it makes no embeddings; models for embeddings: 'minilm'\n"
              "> prompt 3 model=minilm\n"
              "failed 3 ERR_UNSUPPORTED: model 'minilm' makes embeddings, it generates no text; models for text: 'gpt'\n");
    story_end(&s);
}

static void each_input_of_an_embedding_is_a_job_of_its_own(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=minilm kind=3 slots=2\n");
    story(&s, "> prompt 1 kind=3 inputs=3\n"
              "send 1 run job=1.1 key=0 seed=0 one\n"
              "send 1 run job=2.1 key=0 seed=1 two\n"
              "> prefilled 1 job=2\n"
              "started 1.1 actor=0 node=a\n"
              "> done 1 job=2 vector=8\n"
              "done 1.1 finish=1 actor=0 node=a vector=8\n"
              "send 1 run job=3.1 key=0 seed=2 three\n"
              "> closed 1\n" /* both continue elsewhere, with their own texts */
              "> open 2\n"
              "> hello 2 node=b\n"
              "send 2 welcome worker=2\n"
              "> actor 2 model=minilm kind=3 slots=2\n"
              "send 2 actor_ack key=0 id=1\n"
              "send 2 run job=1.2 key=0 seed=0 one\n"
              "send 2 run job=3.2 key=0 seed=2 three\n");
    story_end(&s);
}

/* Given an actor of one slot with nothing else to do, and three texts with a deadline in which one of them is computed; when the first two
 * have taken their time; then the third has its turn. */
static void a_batch_does_not_expire_by_its_own_length(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=minilm kind=3\n");
    story(&s, "> prompt 1 kind=3 inputs=3 deadline=1000\n"
              "send 1 run job=1.1 key=0 seed=0 one\n"
              "> wait 900\n"
              "> done 1 job=1 vector=8\n"
              "done 1.0 finish=1 actor=0 node=a vector=8\n"
              "send 1 run job=2.1 key=0 seed=1 two\n"
              "> wait 1500\n" /* this one takes longer than anything may wait for others */
              "> done 1 job=2 vector=8\n"
              "done 1.1 finish=1 actor=0 node=a vector=8\n"
              "send 1 run job=3.1 key=0 seed=2 three\n"
              "> done 1 job=3 vector=8\n"
              "done 1.2 finish=1 actor=0 node=a vector=8\n"
              "end 1 of 3\n");
    story_end(&s);
}

static void embed(struct story *s, uint64_t call, uint32_t n)
{
    struct input *inputs = xalloc_array(n, sizeof *inputs);
    struct request r = {.kind = REQUEST_EMBED, .sampling = sampling_default(), .inputs = inputs, .inputs_n = n};
    for (uint32_t i = 0; i < n; i++)
        inputs[i].text = str_of("t");
    step(s, (struct head_event){.kind = HEAD_PROMPT, .call = call, .request = &r, .count = 1});
    free(inputs);
}

/* Given an idle actor of one slot and the limits that a head has by default; when somebody wants vectors of as many texts as one request
 * may have, each of which takes half a second; then all of them come. What could never wait is refused for good, not for now. */
static void as_many_texts_as_a_request_may_have(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=minilm kind=3\n");
    embed(&s, 1, REQUEST_INPUTS_MAX);
    for (uint32_t job = 1; job <= REQUEST_INPUTS_MAX; job++) {
        char lines[64];
        snprintf(lines, sizeof lines, "wait 500\nbeat 1 busy=1\ndone 1 job=%u vector=8\n", job);
        given(&s, lines);
        assert_null(strstr(buf_cstr(&s.said), "ERR_"));
    }
    assert_non_null(strstr(buf_cstr(&s.said), "end 1 of 2048"));
    story_end(&s);
    s = story_begin();
    s.cfg.queue_jobs_max = 3;
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=minilm kind=3\n");
    buf_reset(&s.said);
    embed(&s, 1, 4);
    assert_string_equal(buf_cstr(&s.said), "failed 1 ERR_INVALID: 4 inputs, at most 3 can wait here (queue_jobs_max)\n");
    story_end(&s);
}

/* Given two answers to one prompt and one slot; when the first answer streams for longer than the deadline; then the second follows it. */
static void answers_wait_for_each_other(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1 count=2 deadline=500\nprefilled 1 job=1\n");
    story(&s, "> wait 2000\n"
              "> tokens 1 job=1 first=0 text=a\n"
              "tokens 1.0 first=0 n=1 a\n"
              "> wait 2000\n"
              "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "send 1 run job=2.1 key=0 seed=1 hi\n");
    story_end(&s);
}

/* Given the same; when somebody more urgent takes the slot after the first answer; then the second waits for another one, for as long as
 * its deadline says from there. */
static void what_is_behind_others_expires(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1 count=2 deadline=500\nprefilled 1 job=1\nwait 600\nprompt 2 priority=-100\n");
    story(&s, "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "send 1 run job=3.1 key=0 seed=0 hi\n"
              "> wait 499\n"
              "> wait 1\n"
              "done 1.1 finish=4 ERR_TIMEOUT: no slot became free within 1 s: 1 actors are busy and 1 requests wait; try later or add workers\n"
              "end 1 of 2\n");
    story_end(&s);
}

static void any_model_means_one_of_the_right_kind(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=minilm kind=3\n");
    story(&s, "> prompt 1 text=hello\n"
              "failed 1 ERR_UNSUPPORTED: there is no model here that generates text; there is: 'minilm'\n");
    story_end(&s);
    s = story_begin();
    s.cfg.settle_ms = 1000;
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=gpt\n");
    story(&s, "> prompt 1 kind=3 text=hello\n"
              "> wait 1000\n"
              "failed 1 ERR_UNSUPPORTED: there is no model here that makes embeddings\n");
    story_end(&s);
}

static void an_unknown_model_is_not_found_and_the_known_ones_are_named(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0 model=gpt2\nactor 1 key=1 model=smol state=loading\n");
    story(&s, "> prompt 1 model=gpt9\n"
              "failed 1 ERR_NOT_FOUND: there is no model 'gpt9'; there is: 'gpt2', 'smol'\n");
    story_end(&s);
}

static void without_a_worker_a_prompt_waits_and_then_says_what_to_check(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(
        &s,
        "> prompt 1 model=any-name\n"
        "> prompt 2 deadline=500\n"
        "> wait 499\n"
        "> wait 1\n"
        "failed 2 ERR_UNAVAILABLE: no worker was there for 1 s. Check: is a worker running, is the head's address that "
        "it dials right, and what does its log say? retry=5\n"
        "> wait 119500\n"
        "failed 1 ERR_UNAVAILABLE: no worker was there for 120 s. Check: is a worker running, is the head's address "
        "that it dials right, and what does its log say? retry=5\n");
    story_end(&s);
}

static void the_first_worker_gets_what_waited(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(
        &s,
        "prompt 1 model=m text=one\nprompt 2 text=two\nprompt 3 model=m text=three\nprompt 4 model=x deadline=1000\n");
    story(&s, "> open 1\n"
              "> hello 1 node=a\n"
              "send 1 welcome worker=1\n"
              "> actor 1 state=loading\n"
              "send 1 actor_ack key=0 id=0\n"
              "> actor 1 slots=3\n"
              "send 1 run job=1.1 key=0 seed=0 one\n"
              "send 1 run job=2.1 key=0 seed=0 two\n"
              "send 1 run job=3.1 key=0 seed=0 three\n"
              "> wait 1000\n"
              "failed 4 ERR_NOT_FOUND: there is no model 'x'; there is: 'm'\n");
    story_end(&s);
}

static void while_a_head_settles_an_unknown_model_may_be_on_its_way(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.settle_ms = 10000;
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=gpt2\n");
    story(&s, "> prompt 1 model=smol text=late\n"
              "> prompt 2 model=typo\n"
              "> beat 1\n"
              "send 1 beat_ack 1000000\n"
              "> wait 2000\n"
              "> actor 1 key=1 model=smol\n"
              "send 1 actor_ack key=1 id=1\n"
              "send 1 run job=1.1 key=1 seed=0 late\n");
    for (int i = 0; i < 4; i++)
        given(&s, "wait 1999\nbeat 1 loads=0\n");
    story(&s, "> wait 4\n"
              "failed 2 ERR_NOT_FOUND: there is no model 'typo'; there is: 'gpt2', 'smol'\n"
              "> prompt 3 model=typo\n"
              "failed 3 ERR_NOT_FOUND: there is no model 'typo'; there is: 'gpt2', 'smol'\n");
    story_end(&s);
}

static void a_known_model_is_waited_for_while_its_worker_restarts(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=gpt2\nopen 2\nhello 2 node=b\nactor 2 model=smol\nclosed 1\n");
    story(&s, "> prompt 1 model=gpt2\n"
              "> open 3\n"
              "> hello 3 node=a\n"
              "send 3 welcome worker=3\n"
              "> actor 3 model=gpt2\n"
              "send 3 actor_ack key=0 id=2\n"
              "send 3 run job=1.1 key=0 seed=0 hi\n");
    story_end(&s);
}

static void a_full_model_does_not_block_another_one(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0 model=gpt2\nactor 1 key=1 model=smol\nprompt 1 model=gpt2\n");
    story(&s, "> prompt 2 model=gpt2 text=waits\n"
              "> prompt 3 model=smol text=passes\n"
              "send 1 run job=3.1 key=1 seed=0 passes\n"
              "> prompt 4 text=anybody\n"
              "> done 1 job=3\n" /* smol's slot is free: the one that takes any model goes there */
              "done 3.0 finish=1 actor=1 node=a\n"
              "end 3 of 1\n"
              "send 1 run job=4.1 key=1 seed=0 anybody\n"
              "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "end 1 of 1\n"
              "send 1 run job=2.1 key=0 seed=0 waits\n");
    story_end(&s);
}

static void first_come_first_served_across_any_and_named(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1 model=m\n");
    given(&s, "prompt 2 text=2\nprompt 3 model=m text=3\nprompt 4 text=4\n");
    story(&s, "> done 1 job=1\ndone 1.0 finish=1 actor=0 node=a\nend 1 of 1\nsend 1 run job=2.1 key=0 seed=0 2\n"
              "> done 1 job=2\ndone 2.0 finish=1 actor=0 node=a\nend 2 of 1\nsend 1 run job=3.1 key=0 seed=0 3\n"
              "> done 1 job=3\ndone 3.0 finish=1 actor=0 node=a\nend 3 of 1\nsend 1 run job=4.1 key=0 seed=0 4\n");
    story_end(&s);
}

static void a_full_queue_says_when_to_come_back(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_jobs_max = 2;
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0\nactor 1 key=1 model=free\nprompt 1 model=m\nprompt 2 "
              "model=m\nprompt 3 model=m\n");
    story(&s,
          "> prompt 4 model=m\n"
          "failed 4 ERR_BUSY: the queue is full: 2 of 2 requests wait (queue_jobs_max); come back in 5 s retry=5\n"
          "> prompt 5 model=free\n" /* needs no place in the queue */
          "send 1 run job=4.1 key=1 seed=0 hi\n"
          "> wait 2000\n"
          "> done 1 job=1\n"
          "done 1.0 finish=1 actor=0 node=a\n"
          "end 1 of 1\n"
          "send 1 run job=2.1 key=0 seed=0 hi\n"
          "> prompt 6 model=m\n"
          "> prompt 7 model=m\n" /* one left the queue in 2 s: three times that for three of them */
          "failed 7 ERR_BUSY: the queue is full: 2 of 2 requests wait (queue_jobs_max); come back in 6 s retry=6\n");
    story_end(&s);
}

static struct head_wait waits(const struct story *s, uint64_t call)
{
    struct head_wait w = {0};
    assert_true(head_call_waits(s->head, call, &w));
    return w;
}

/* Given a model on its way and one busy actor, when prompts wait, then each knows its place, its time, and what for. */
static void who_waits_can_be_told_what_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0\nprompt 1 model=m\nprompt 2 model=m\nprompt 3 model=m\n"
              "actor 1 key=1 model=late state=loading progress=0.25\nprompt 4 model=late\n");
    struct head_wait w;
    assert_false(head_call_waits(s.head, 1, &w)); /* it runs */
    assert_false(head_call_waits(s.head, 99, &w));
    w = waits(&s, 3);
    assert_true(w.place == 2 && w.ready == 1 && w.eta_s == 0 && w.loading < 0); /* no pace is known yet */
    w = waits(&s, 4);
    assert_true(w.place == 1 && w.ready == 0 && w.eta_s == 0);
    assert_float_equal(w.loading, 0.25, 0.001);
    given(&s, "wait 2000\ndone 1 job=1\n");
    assert_false(head_call_waits(s.head, 2, &w));
    w = waits(&s, 3);
    assert_int_equal(w.place, 1);
    assert_float_equal(w.eta_s, 2, 0.01); /* one left the queue in 2 s */
    story_end(&s);
}

static void a_request_over_a_limit_changes_nothing(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_bytes_max = 1000 + HEAD_CALL_BYTES + HEAD_JOB_BYTES;
    struct head_totals t;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=8\n");
    story(&s, "> prompt 1 count=65\n"
              "failed 1 ERR_INVALID: 65 answers were asked for, at most 64 can be (fanout_max)\n");
    given(&s, "prompt 2 pad=4000\n");
    assert_int_equal(s.fx.n, 1);
    assert_true(s.fx.fx[0].kind == FX_CALL_FAILED && s.fx.fx[0].fault.err == ERR_BUSY);
    head_totals(s.head, &t);
    assert_true(t.calls == 0 && t.queue_bytes == 0 && t.running == 0 && t.calls_failed == 2);
    story_end(&s);
}

/* Given prompts of a few bytes, when more of them come than the limit holds with their records, then the next one is
 * refused; once one has ended there is room again. */
static void records_count_as_memory(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_bytes_max = 4 * (HEAD_CALL_BYTES + HEAD_JOB_BYTES) - 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=8\nprompt 1\nprompt 2\nprompt 3\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_true(t.running == 3 && t.queue_bytes > 3 * (HEAD_CALL_BYTES + HEAD_JOB_BYTES));
    given(&s, "prompt 4\n");
    assert_true(s.fx.n == 1 && s.fx.fx[0].kind == FX_CALL_FAILED && s.fx.fx[0].fault.err == ERR_BUSY);
    given(&s, "done 1 job=1.1\nprompt 5\n");
    head_totals(s.head, &t);
    assert_int_equal(t.running, 3);
    story_end(&s);
}

static void several_answers_have_seeds_of_their_own(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=2\n");
    story(&s, "> prompt 1 count=3 seed=100\n"
              "send 1 run job=1.1 key=0 seed=100 hi\n"
              "send 1 run job=2.1 key=0 seed=101 hi\n"
              "> done 1 job=2 finish=2\n"
              "done 1.1 finish=2 actor=0 node=a\n"
              "send 1 run job=3.1 key=0 seed=102 hi\n"
              "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "> done 1 job=3\n"
              "done 1.2 finish=1 actor=0 node=a\n"
              "end 1 of 3\n");
    story_end(&s);
}

static void a_prompt_to_all_goes_to_each_ready_actor(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\nopen 3\nhello 3 node=c\nactor 3 "
              "state=loading\n");
    given(&s, "prompt 1\n"); /* takes actor 0 */
    story(&s, "> prompt 2 spread=1 count=0\n"
              "send 2 run job=3.1 key=0 seed=1 hi\n"
              "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "end 1 of 1\n"
              "send 1 run job=2.1 key=0 seed=0 hi\n"
              "> done 2 job=3\n"
              "done 2.1 finish=1 actor=1 node=b\n"
              "> done 1 job=2\n"
              "done 2.0 finish=1 actor=0 node=a\n"
              "end 2 of 2\n");
    story_end(&s);
}

static void more_actors_than_there_are_is_as_many_as_there_are(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=9\nopen 2\nhello 2 node=b\nactor 2 slots=9\n");
    story(&s, "> prompt 1 spread=1 count=5\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "send 2 run job=2.1 key=0 seed=1 hi\n"
              "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "> done 2 job=2\n"
              "done 1.1 finish=1 actor=1 node=b\n"
              "end 1 of 2\n");
    story_end(&s);
}

static void a_prompt_to_all_waits_for_the_first_actor(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "prompt 1 spread=1 count=0\nopen 1\nhello 1 node=a\nactor 1 key=0 state=loading\nactor 1 key=1 "
              "state=loading\n");
    story(&s, "> actor 1 key=1\n"
              "send 1 run job=1.1 key=1 seed=0 hi\n"
              "> done 1 job=1\n"
              "done 1.0 finish=1 actor=1 node=a\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void a_prompt_to_all_is_spread_only_once(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "prompt 1 spread=1 count=0\nopen 1\nhello 1 node=a\nactor 1\n");
    given(&s, "open 2\nhello 2 node=b\nactor 2\nactor 2 key=1\n");
    story(&s, "> closed 1\n" /* two are ready now, but the call has the one branch it began with */
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> done 2 job=1.2\n"
              "done 1.0 finish=1 actor=1 node=b\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void a_client_that_goes_frees_the_queue_at_once_and_the_slot_when_the_worker_says_so(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprompt 2\nprompt 3 text=next\nprefilled 1 job=1\n");
    story(&s, "> gone 2\n"
              "> gone 1\n"
              "send 1 cancel job=1.1\n"
              "> tokens 1 job=1 first=0 n=1 text=x\n" /* it was on its way */
              "> done 1 job=1 finish=3\n"
              "send 1 run job=3.1 key=0 seed=0 next\n"
              "> gone 99\n"
              "> done 1 job=1 finish=3\n"); /* nobody's any more: ignored */
    struct head_totals t;
    head_totals(s.head, &t);
    assert_true(t.running == 1 && t.queued == 0 && t.calls == 1);
    story_end(&s);
}

static void a_busy_cluster_answers_with_timeout_at_the_deadline(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprompt 2 deadline=2000\nprompt 3 deadline=1000\n");
    story(
        &s,
        "> wait 1000\n"
        "failed 3 ERR_TIMEOUT: no slot became free within 1 s: 1 actors are busy and 2 requests wait; try later or add "
        "workers retry=5\n"
        "> wait 1000\n"
        "failed 2 ERR_TIMEOUT: no slot became free within 2 s: 1 actors are busy and 1 requests wait; try later or add "
        "workers retry=5\n");
    story_end(&s);
}

static void the_worker_s_own_words_reach_the_client(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\n");
    story(&s, "> prompt 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> done 1 job=1 finish=4 error=6 message=2000-tokens-into-1000\n"
              "done 1.0 finish=4 actor=0 node=a ERR_CONTEXT: 2000-tokens-into-1000\n"
              "end 1 of 1\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_is_answered),
        cmocka_unit_test(a_prompt_is_watched),
        cmocka_unit_test(an_embedding_is_answered_by_an_actor_of_that_kind),
        cmocka_unit_test(each_input_of_an_embedding_is_a_job_of_its_own),
        cmocka_unit_test(a_batch_does_not_expire_by_its_own_length),
        cmocka_unit_test(as_many_texts_as_a_request_may_have),
        cmocka_unit_test(answers_wait_for_each_other),
        cmocka_unit_test(what_is_behind_others_expires),
        cmocka_unit_test(any_model_means_one_of_the_right_kind),
        cmocka_unit_test(an_unknown_model_is_not_found_and_the_known_ones_are_named),
        cmocka_unit_test(without_a_worker_a_prompt_waits_and_then_says_what_to_check),
        cmocka_unit_test(the_first_worker_gets_what_waited),
        cmocka_unit_test(while_a_head_settles_an_unknown_model_may_be_on_its_way),
        cmocka_unit_test(a_known_model_is_waited_for_while_its_worker_restarts),
        cmocka_unit_test(a_full_model_does_not_block_another_one),
        cmocka_unit_test(first_come_first_served_across_any_and_named),
        cmocka_unit_test(a_full_queue_says_when_to_come_back),
        cmocka_unit_test(who_waits_can_be_told_what_for),
        cmocka_unit_test(a_request_over_a_limit_changes_nothing),
        cmocka_unit_test(records_count_as_memory),
        cmocka_unit_test(several_answers_have_seeds_of_their_own),
        cmocka_unit_test(a_prompt_to_all_goes_to_each_ready_actor),
        cmocka_unit_test(more_actors_than_there_are_is_as_many_as_there_are),
        cmocka_unit_test(a_prompt_to_all_waits_for_the_first_actor),
        cmocka_unit_test(a_prompt_to_all_is_spread_only_once),
        cmocka_unit_test(a_client_that_goes_frees_the_queue_at_once_and_the_slot_when_the_worker_says_so),
        cmocka_unit_test(a_busy_cluster_answers_with_timeout_at_the_deadline),
        cmocka_unit_test(the_worker_s_own_words_reach_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
