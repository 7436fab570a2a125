/* Stories of log events: what is written is what programs read, whatever strangers call themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/log.h"

static struct str as_text(const struct event_field *e)
{
    static char text[EVENT_BYTES_MAX];
    return str_n(text, event_write(e, false, text));
}

static void reads(struct str line, const char *key, const char *value)
{
    char got[256];
    assert_true(event_from_line(line, key, got, sizeof got));
    assert_string_equal(got, value);
}

/* Given fields of each kind, when they are written as text and as JSON, then each is a word, a number or a quoted text. */
static void each_kind_is_written_as_what_it_is(void **state)
{
    (void)state;
    const struct event_field *e = EVENT("worker_left", KV("node", "elm"), KV("worker", 5u), KV("back", -1), KV("tps", 1.5), event_id("stream", 0xab));
    char json[EVENT_BYTES_MAX];
    assert_true(str_is(as_text(e), " event=worker_left node=elm worker=5 back=-1 tps=1.5 stream=00000000000000ab"));
    assert_true(str_is(str_n(json, event_write(e, true, json)),
                       ",\"event\":\"worker_left\",\"node\":\"elm\",\"worker\":5,\"back\":-1,\"tps\":1.5,\"stream\":\"00000000000000ab\""));
    assert_int_equal(event_write(NULL, false, json), 0);
}

/* Given a worker whose name looks like fields, when its event is read from a line, then the name is what it is and forges nothing. */
static void a_strangers_name_forges_no_field(void **state)
{
    (void)state;
    static const char name[] = "a\" event=worker_left worker=9 \\";
    struct str line = as_text(EVENT("worker_joined", KV("node", name), KV("worker", 5u), KV("empty", "")));
    char none[8];
    reads(line, "event", "worker_joined");
    reads(line, "node", name);
    reads(line, "worker", "5");
    reads(line, "empty", "");
    assert_false(event_from_line(line, "pid", none, sizeof none));
    assert_string_equal(none, "");
}

static struct str dumped(char *text, size_t cap)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_dump(ends[1]);
    ssize_t n = read(ends[0], text, cap);
    close(ends[0]);
    close(ends[1]);
    assert_true(n > 0);
    struct str all = str_n(text, (size_t)n - 1);
    const char *before = memrchr(all.p, '\n', all.n);
    return before != NULL ? str_n(before + 1, all.n - (size_t)(before + 1 - all.p)) : all;
}

/* Given a sentence with a stranger's words that look like an event, when it is logged, then the line has the true event only. */
static void a_strangers_words_forge_no_event(void **state)
{
    (void)state;
    char text[4 * LOG_LINE_BYTES_MAX];
    log_set_level(LOG_ERROR);
    log_warn("TEST", EVENT("actor_failed", KV("actor", 3u)), "failed: %s", "x event=worker_left node=b");
    reads(dumped(text, sizeof text), "event", "actor_failed");
    log_warn("TEST", NULL, "failed: %s", "x event=worker_left node=b");
    char none[8];
    assert_false(event_from_line(dumped(text, sizeof text), "event", none, sizeof none));
}

/* Given a sentence longer than a line, when it is logged, then the sentence is cut and the event is whole. */
static void a_long_sentence_leaves_the_event_whole(void **state)
{
    (void)state;
    char sentence[2 * LOG_LINE_BYTES_MAX], text[4 * LOG_LINE_BYTES_MAX];
    memset(sentence, 's', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    log_warn("TEST", EVENT("long", KV("last", 7u)), "%s", sentence);
    struct str line = dumped(text, sizeof text);
    assert_true(line.n < LOG_LINE_BYTES_MAX);
    reads(line, "last", "7");
}

/* Given more fields than fit, when they are written, then the first ones are whole and the last ones are left out. */
static void fields_that_do_not_fit_are_left_out_whole(void **state)
{
    (void)state;
    char name[2 * EVENT_VALUE_BYTES_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct str text = as_text(EVENT("e", KV("a", name), KV("b", name), KV("c", name), KV("d", name)));
    char value[256];
    assert_true(event_from_line(text, "c", value, sizeof value) && strlen(value) == EVENT_VALUE_BYTES_MAX);
    assert_false(event_from_line(text, "d", value, sizeof value));
}

/* Given --log-format json, when a line is logged, then it is one JSON object with the event's fields and the sentence. */
static void a_line_is_a_json_object_where_that_is_wanted(void **state)
{
    (void)state;
    char text[4 * LOG_LINE_BYTES_MAX];
    log_set_format(LOG_AS_JSON);
    log_warn("TEST", EVENT("worker_left", KV("node", "a\"b"), KV("worker", 5u)), "worker left:\n\"%s\"", "gone");
    log_set_format(LOG_AS_TEXT);
    struct str line = dumped(text, sizeof text);
    static const char ends[] = "Z\",\"level\":\"warn\",\"tag\":\"TEST\",\"event\":\"worker_left\",\"node\":\"a\\\"b\",\"worker\":5,"
                               "\"text\":\"worker left: \\\"gone\\\"\"}";
    assert_true(line.n > sizeof ends && strncmp(line.p, "{\"time\":\"20", 11) == 0);
    assert_true(str_is(str_n(line.p + line.n - (sizeof ends - 1), sizeof ends - 1), ends));
}

/* Given an event whose texts are gone, when its copy is read, then it is the same. */
static void a_copy_needs_nothing_of_the_original(void **state)
{
    (void)state;
    char node[] = "elm";
    const struct event_field *e = EVENT("worker_left", KV("node", node), KV("worker", 5u));
    char to[512] __attribute__((aligned(8)));
    assert_true(event_copy_bytes(e) <= sizeof to);
    const struct event_field *copy = event_copy(e, to);
    memset(node, 'x', 3);
    assert_true(event_is(copy, "worker_left") && event_get(copy, "worker") == 5);
    assert_true(str_is(as_text(copy), " event=worker_left node=elm worker=5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_written_as_what_it_is),
        cmocka_unit_test(a_strangers_name_forges_no_field),
        cmocka_unit_test(a_strangers_words_forge_no_event),
        cmocka_unit_test(a_long_sentence_leaves_the_event_whole),
        cmocka_unit_test(fields_that_do_not_fit_are_left_out_whole),
        cmocka_unit_test(a_line_is_a_json_object_where_that_is_wanted),
        cmocka_unit_test(a_copy_needs_nothing_of_the_original),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
