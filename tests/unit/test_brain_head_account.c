/* Why a job went where it went: what the brain tells of each choice, and of each actor that a job leaves. */
#include "head_story.h"

/* Two workers, two slots each; the first one is asked before the second. */
static struct story two_workers(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=2\nopen 2\nhello 2 node=b\nactor 2 slots=1\n");
    s.accounts = true;
    return s;
}

/* Given two idle actors; when prompts come until both are full, and one more; then the chosen one is told first, with what was known of it
 * and of the other; the last prompt waited, and goes to whoever becomes free. */
static void a_choice_tells_what_was_weighed(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> prompt 1 text=one\n"
              "send 1 run job=1.1 key=0 seed=0 one\n"
              "chosen 1.0 actor=0 node=a first=0 why=best attempt=1 [actor=0 busy=0/2 cached=0/1] [actor=1 busy=0/1 cached=0/1]\n"
              "> prompt 2 text=two\n"
              "send 2 run job=2.1 key=0 seed=0 two\n"
              "chosen 2.0 actor=1 node=b first=0 why=best attempt=1 [actor=1 busy=0/1 cached=0/1] [actor=0 busy=1/2 cached=0/1]\n"
              "> prompt 3 text=three\n"
              "send 1 run job=3.1 key=0 seed=0 three\n"
              "chosen 3.0 actor=0 node=a first=0 why=best attempt=1 [actor=0 busy=1/2 cached=0/1]\n"
              "> prompt 4 text=four\n"
              "> done 2 job=2\n"
              "done 2.0 finish=1 actor=1 node=b\nend 2 of 1\n"
              "send 2 run job=4.1 key=0 seed=0 four\n"
              "chosen 4.0 actor=1 node=b first=0 why=next in queue attempt=1\n");
    story_end(&s);
}

/* Given an answer of which a token has come; when its worker dies; then it is told where it was, why it left, after how many tokens, and where
 * it goes; a job that failed somewhere avoids that actor. */
static void a_move_tells_from_where_and_why(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> prompt 1 text=one\n"
              "send 1 run job=1.1 key=0 seed=0 one\n"
              "chosen 1.0 actor=0 node=a first=0 why=best attempt=1 [actor=0 busy=0/2 cached=0/1] [actor=1 busy=0/1 cached=0/1]\n"
              "> prefilled 1 job=1\nstarted 1.0 actor=0 node=a\n"
              "> tokens 1 job=1 text=xy ids=7\ntokens 1.0 first=0 n=1 xy\n"
              "> closed 1\n"
              "left 1.0 actor=0 node=a first=1 crashed\n"
              "send 2 run job=1.2 key=0 seed=0 one resume=7\n"
              "chosen 1.0 actor=1 node=b first=1 why=best attempt=2 [actor=1 busy=0/1 cached=0/23]\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_tells_what_was_weighed),
        cmocka_unit_test(a_move_tells_from_where_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
