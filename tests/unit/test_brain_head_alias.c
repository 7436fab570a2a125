/* Two model files under one name: both stay, are told apart, and the plain name is never left without an answer. */
#include "head_story.h"

/* Given a worker with gpt2; when another brings another file of that name, then both serve: the plain name is the first
 * one's, and the second is named with the beginning of its digest. */
static void another_file_is_told_apart(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nopen 2\nhello 2 node=b\nactor 1 model=gpt2 digest=aaaaaaaaaaaaaaaa\n");
    s.logs = true;
    story(&s, "> actor 2 model=gpt2 digest=bbbbbbbbbbbbbbbb\n"
              "[ACTOR REGISTRATION] event=model_aliased model=gpt2 alias=gpt2@bbbbbbbb node=b\n"
              "send 2 actor_ack key=0 id=1\n"
              "[ACTOR REGISTRATION] event=actor_state actor=1 state=ready model=gpt2@bbbbbbbb node=b slots=1 context=1000\n"
              "[ACTOR STATUS] event=actors actors=2\n"
              "[CLUSTER STATUS] event=resources cpus=4 memory_bytes=6000000000\n");
    s.logs = false;
    story(&s, "> prompt 1 model=gpt2 text=x\nsend 1 run job=1.1 key=0 seed=0 x\n"
              "> prompt 2 model=gpt2@bbbbbbbb text=y\nsend 2 run job=2.1 key=0 seed=0 y\n"
              "> done 1 job=1\ndone 1.0 finish=1 actor=0 node=a\nend 1 of 1\n"
              "> prompt 3 model=gpt2@aaaa text=z\nsend 1 run job=3.1 key=0 seed=0 z\n");
    story_end(&s);
}

/* Given two files of one name, and prompts that wait for either; when the first one's last worker goes, then the name
 * passes on, and all prompts are answered by what is left. */
static void the_name_passes_on(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.regroup_ms = 0;
    given(&s, "open 1\nhello 1 node=a\nopen 2\nhello 2 node=b\nactor 1 model=gpt2 digest=aaaaaaaaaaaaaaaa\n"
              "actor 2 model=gpt2 digest=bbbbbbbbbbbbbbbb\n");
    story(&s, "> prompt 1 model=gpt2 text=one\nsend 1 run job=1.1 key=0 seed=0 one\n"
              "> prompt 2 model=gpt2@bbbbbbbb text=two\nsend 2 run job=2.1 key=0 seed=0 two\n"
              "> prompt 3 model=gpt2@bbbbbbbb text=three\n"
              "> prompt 4 model=gpt2 text=four\n");
    story(&s, "> closed 1\n"
              "> done 2 job=2\ndone 2.0 finish=1 actor=1 node=b\nend 2 of 1\nsend 2 run job=1.2 key=0 seed=0 one\n"
              "> done 2 job=1.2\ndone 1.0 finish=1 actor=1 node=b\nend 1 of 1\nsend 2 run job=3.1 key=0 seed=0 three\n"
              "> done 2 job=3\ndone 3.0 finish=1 actor=1 node=b\nend 3 of 1\nsend 2 run job=4.1 key=0 seed=0 four\n"
              "> done 2 job=4\ndone 4.0 finish=1 actor=1 node=b\nend 4 of 1\n"
              "> prompt 5 model=gpt2 text=five\nsend 2 run job=5.1 key=0 seed=0 five\n");
    struct head_actor_view v;
    assert_true(head_actor_at(s.head, 0, &v));
    assert_true(str_is(v.model, "gpt2"));
    story_end(&s);
}

/* Given a file that cannot be loaded; when another file of its name comes, before or after the failure, then that one
 * has the plain name. */
static void what_failed_does_not_keep_the_name(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct story s = story_begin();
        s.cfg.settle_ms = 0;
        given(&s, "open 1\nhello 1 node=a\nopen 2\nhello 2 node=b\n");
        given(&s, late ? "actor 1 model=gpt2 digest=aaaaaaaaaaaaaaaa state=loading\n"
                       : "actor 1 model=gpt2 digest=aaaaaaaaaaaaaaaa state=failed note=bad\n");
        given(&s, "actor 2 model=gpt2 digest=bbbbbbbbbbbbbbbb\n");
        if (late)
            given(&s, "actor 1 model=gpt2 digest=aaaaaaaaaaaaaaaa state=failed note=bad\n");
        story(&s, "> prompt 1 model=gpt2 text=x\nsend 2 run job=1.1 key=0 seed=0 x\n"
                  "> prompt 2 model=gpt2@aaaaaaaa text=y\n"
                  "failed 2 ERR_UNAVAILABLE: model 'gpt2@aaaaaaaa' cannot be loaded: bad retry=5\n");
        story_end(&s);
    }
}

/* Given a worker that calls its model what we would call another file; when that other file comes, then they still are
 * two. */
static void a_name_that_looks_like_ours_is_no_trap(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0 model=gpt2 digest=aaaaaaaaaaaaaaaa\n"
              "actor 1 key=1 model=gpt2@bbbbbbbb digest=cccccccccccccccc\n"
              "actor 1 key=2 model=gpt2 digest=bbbbbbbbbbbbbbbb\n");
    story(&s, "> prompt 1 model=gpt2@bbbbbbbb text=x\nsend 1 run job=1.1 key=1 seed=0 x\n"
              "> prompt 2 model=gpt2@bbbbbbbb#2 text=y\nsend 1 run job=2.1 key=2 seed=0 y\n");
    story_end(&s);
}

/* Given the same file on both workers, or one without a digest, nobody is told apart. */
static void one_file_has_one_name(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nopen 2\nhello 2 node=b\nactor 1 model=gpt2 digest=aaaaaaaaaaaaaaaa\n"
              "actor 2 key=0 model=gpt2 digest=aaaaaaaaaaaaaaaa\nactor 2 key=1 model=gpt2 digest=\n");
    struct head_actor_view v;
    for (uint32_t id = 0; id < 3; id++) {
        assert_true(head_actor_at(s.head, id, &v));
        assert_true(str_is(v.model, "gpt2"));
    }
    story(&s, "> actor 2 key=1 model=gpt2 digest=bbbbbbbbbbbbbbbb\n"
              "send 2 refuse ERR_PROTOCOL: actor 1 tells its digest late, and 'gpt2' is another file: tell it from the first\n"
              "close 2: actor 1 tells its digest late, and 'gpt2' is another file: tell it from the first\n");
    story_end(&s);
}

/* Given prompts for a file by its digest, which wait for a worker; when the file comes and nobody else has its plain name, then it gets
 * that, and the prompts. */
static void who_waits_for_a_file_finds_it_under_its_plain_name(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\n");
    story(&s, "> prompt 1 model=gpt2@bbbbbbbb text=x\n"
              "> prompt 2 model=gpt2@bbbb text=y\n"
              "> prompt 3 model=gpt2@cccc text=another\n"
              "> actor 1 model=gpt2 digest=bbbbbbbbbbbbbbbb\nsend 1 actor_ack key=0 id=0\nsend 1 run job=1.1 key=0 seed=0 x\n"
              "> done 1 job=1\ndone 1.0 finish=1 actor=0 node=a\nend 1 of 1\nsend 1 run job=2.1 key=0 seed=0 y\n"
              "> done 1 job=2\ndone 2.0 finish=1 actor=0 node=a\nend 2 of 1\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_file_is_told_apart),
        cmocka_unit_test(the_name_passes_on),
        cmocka_unit_test(what_failed_does_not_keep_the_name),
        cmocka_unit_test(a_name_that_looks_like_ours_is_no_trap),
        cmocka_unit_test(one_file_has_one_name),
        cmocka_unit_test(who_waits_for_a_file_finds_it_under_its_plain_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
