/* The small things everything stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/idtab.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/request.h"
#include "base/rng.h"
#include "base/sum.h"

static void a_buffer_refuses_to_pass_its_maximum_and_remembers(void **state)
{
    (void)state;
    struct buf b = buf_max(8);
    assert_int_equal(buf_puts(&b, "12345"), 0);
    assert_int_equal(buf_puts(&b, "6789"), ERR_TOO_LARGE);
    assert_true(b.overflowed);
    assert_string_equal(buf_cstr(&b), "12345");
    assert_int_equal(buf_printf(&b, "%d", 678), 0);
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_consume(&b, 3);
    assert_string_equal(buf_cstr(&b), "45678");
    buf_fini(&b);
}

static void single_bytes_stop_at_the_maximum(void **state)
{
    (void)state;
    enum { MOST = 100 }; /* more than a first allocation, and no power of two */
    struct buf b = buf_max(MOST);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(buf_putc(&b, (char)('a' + i % 26)), 0);
    assert_int_equal(buf_putc(&b, '!'), ERR_TOO_LARGE);
    assert_true(b.overflowed && b.n == MOST && b.cap == MOST);
    assert_int_equal(strlen(buf_cstr(&b)), MOST);
    assert_int_equal(b.p[MOST - 1], 'a' + (MOST - 1) % 26);
    buf_fini(&b);
}

static void numbers_have_all_their_digits(void **state)
{
    (void)state;
    struct buf b = buf_max(64);
    const uint64_t numbers[] = {0, 9, 10, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_int_equal(buf_put_uint(&b, numbers[i]), 0);
        assert_int_equal(buf_putc(&b, ' '), 0);
    }
    assert_string_equal(buf_cstr(&b), "0 9 10 18446744073709551615 ");
    buf_fini(&b);
}

static void long_formatted_text_arrives_whole(void **state)
{
    (void)state;
    struct buf b = buf_max(4096);
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    assert_int_equal(buf_printf(&b, "<%s>", text), 0);
    assert_int_equal(b.n, 1002);
    assert_int_equal(b.p[1001], '>');
    buf_fini(&b);
}

struct thing {
    struct id_node node;
    int payload;
};

/* Given 1,000 things, when every third goes, then the walk shows the rest in the order of their ids. */
static void an_id_table_walks_in_order_and_survives_removal_in_the_walk(void **state)
{
    (void)state;
    static struct thing things[1000];
    struct idtab t;
    idtab_init(&t);
    for (int i = 0; i < 1000; i++) {
        things[i].payload = i;
        idtab_add(&t, &things[i].node, (uint64_t)i * 7 + 1);
    }
    IDTAB_EACH(pos, &t)
    {
        struct thing *x = id_item(pos, struct thing, node);
        if (x->payload % 3 == 0)
            idtab_remove(&t, pos);
    }
    int seen = 0, last = -1;
    IDTAB_EACH(pos, &t)
    {
        struct thing *x = id_item(pos, struct thing, node);
        assert_true(x->payload > last && x->payload % 3 != 0);
        last = x->payload;
        seen++;
    }
    assert_int_equal(seen, 666);
    assert_int_equal(t.n, 666);
    assert_null(idtab_get(&t, 1));
    assert_ptr_equal(idtab_get(&t, 8), &things[1].node);
    idtab_add(&t, &things[0].node, 3); /* late */
    uint64_t before = 0;
    IDTAB_EACH(node, &t) {
        assert_true(node->id > before);
        before = node->id;
    }
    assert_ptr_equal(idtab_get(&t, 3), &things[0].node);
    idtab_fini(&t);
}

static void the_nearest_word_is_offered_and_a_far_one_is_not(void **state)
{
    (void)state;
    static const char *const words[] = {"--port", "--workers", "--no-prompt"};
    assert_string_equal(nearest_word("--wrokers", words, 3), "--workers");
    assert_string_equal(nearest_word("--prot", words, 3), "--port");
    assert_null(nearest_word("--quantum", words, 3));
}

static void a_clone_owns_everything_it_points_to(void **state)
{
    (void)state;
    char text[] = "hello";
    struct turn turns[] = {{.role = str_of("user"), .content = str_of(text), .extra = str_of(text)}};
    struct str stops[] = {str_of(text)};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 1, .stops = stops, .stops_n = 1, .model = str_of(text),
                        .form_text = str_of(text), .tools = str_of(text), .template_args = str_of(text)};
    struct request *c = request_clone(&r);
    memset(text, '?', 5);
    assert_true(str_is(c->turns[0].content, "hello"));
    assert_true(str_is(c->stops[0], "hello"));
    assert_true(str_is(c->model, "hello"));
    assert_true(str_is(c->turns[0].extra, "hello") && str_is(c->tools, "hello"));
    assert_true(str_is(c->form_text, "hello") && str_is(c->template_args, "hello"));
    assert_int_equal(request_prompt_bytes(c), 4 + 5 + 5 + 5);
    free(c);
}

static void the_same_seed_and_position_give_the_same_number(void **state)
{
    (void)state;
    struct rng a = {.seed = 5};
    uint64_t third = 0;
    for (int i = 0; i < 3; i++)
        third = rng_next(&a);
    assert_true(third == rng_at(5, 2));
    double sum = 0;
    for (uint64_t i = 0; i < 10000; i++)
        sum += rng_unit(1, i);
    assert_true(sum > 4800 && sum < 5200);
}

static void every_error_has_words_and_statuses(void **state)
{
    (void)state;
    assert_int_equal(err_http(ERR_NOT_FOUND), 404);
    assert_int_equal(err_exit(ERR_UNAVAILABLE), 4);
    assert_string_equal(err_name(ERR_CONTEXT), "ERR_CONTEXT");
    assert_string_equal(err_text(-9999), "unknown error");
    struct fault f = {0};
    assert_int_equal(fault_set(&f, ERR_MODEL, "a: %s", "b"), ERR_MODEL);
    assert_int_equal(fault_set(&f, ERR_MODEL, "cannot load: %s", f.text), ERR_MODEL);
    assert_string_equal(f.text, "cannot load: a: b");
}

/* Given a peer's text with a line end, an escape sequence and broken UTF-8, when it is logged, then one clean line is. */
static void a_log_line_is_one_line_of_plain_utf8(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    log_line(LOG_INFO, "TEST", NULL, "a\nb\033[2Jc\xff d\xc3\xa9 \xf0\x9f");
    log_set_level(LOG_INFO);
    int ends[2];
    char text[LOG_LINE_BYTES_MAX];
    assert_int_equal(pipe(ends), 0);
    log_dump(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "[TEST] a b [2Jc? d\xc3\xa9 \n"));
    close(ends[0]);
    close(ends[1]);
}

/* Numbers that other implementations of XXH64 print, of texts that take each of its ways. */
static void a_checksum_is_everybodys(void **state)
{
    (void)state;
    assert_true(sum_of(str_of("")) == 0xef46db3751d8e999u);
    assert_true(sum_of(str_of("a")) == 0xd24ec4f1a98c6e5bu);
    assert_true(sum_of(str_of("abc")) == 0x44bc2cf5ad770999u);
    assert_true(sum_of(str_of("Nobody inspects the spammish repetition")) == 0xfbcea83c8a378bf1u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_refuses_to_pass_its_maximum_and_remembers),
        cmocka_unit_test(single_bytes_stop_at_the_maximum),
        cmocka_unit_test(numbers_have_all_their_digits),
        cmocka_unit_test(long_formatted_text_arrives_whole),
        cmocka_unit_test(an_id_table_walks_in_order_and_survives_removal_in_the_walk),
        cmocka_unit_test(the_nearest_word_is_offered_and_a_far_one_is_not),
        cmocka_unit_test(a_clone_owns_everything_it_points_to),
        cmocka_unit_test(the_same_seed_and_position_give_the_same_number),
        cmocka_unit_test(a_checksum_is_everybodys),
        cmocka_unit_test(every_error_has_words_and_statuses),
        cmocka_unit_test(a_log_line_is_one_line_of_plain_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
