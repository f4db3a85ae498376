#include "codec/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN VIEW("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0")
#define END VIEW("\1\4\0\1\0\0\0\0")

static void
add_params(struct buf *b, struct view content)
{
	const char header[8] = { 1, 4, 0, 1, (char)(content.n >> 8),
		(char)content.n, 0, 0 };

	buf_add(b, (struct view){ header, sizeof header });
	buf_add(b, content);
}

static enum record_look
look_at_params(struct view first, struct view second)
{
	struct buf b = BUF_INIT(RECORD_HEAD_MAX * 2);
	enum record_look look;

	buf_add(&b, BEGIN);
	add_params(&b, first);
	if (second.n > 0)
		add_params(&b, second);
	buf_add(&b, END);
	assert_false(b.spoilt);
	look = record_look(buf_view(&b));
	buf_fini(&b);
	return look;
}

static void
each_shorter_beginning_asks_for_more(void **state)
{
	struct buf b = BUF_INIT(1024);
	size_t n;

	(void)state;
	buf_add(&b, BEGIN);
	add_params(&b, VIEW("\3\2KEYok"));
	buf_add(&b, END);
	for (n = 0; n < b.len; n++)
		assert_int_equal(
		    record_look((struct view){ b.data, n }), RECORD_MORE);
	assert_int_equal(record_look(buf_view(&b)), RECORD_WHOLE);
	buf_add(&b, VIEW("and a body"));
	assert_int_equal(record_look(buf_view(&b)), RECORD_WHOLE);
	buf_fini(&b);
}

static void
a_pair_may_straddle_records_and_use_long_lengths(void **state)
{
	(void)state;
	assert_int_equal(
	    look_at_params(VIEW("\3\2KE"), VIEW("Yok")), RECORD_WHOLE);
	assert_int_equal(
	    look_at_params(VIEW("\3\200\0\0\2KEYok"), VIEW("")), RECORD_WHOLE);
	assert_int_equal(look_at_params(VIEW("\0\0"), VIEW("")), RECORD_WHOLE);
}

static void
lengths_that_lie_are_bad(void **state)
{
	(void)state;
	assert_int_equal(
	    look_at_params(VIEW("\3\3KEYok"), VIEW("")), RECORD_BAD);
	assert_int_equal(look_at_params(VIEW("\3"), VIEW("")), RECORD_BAD);
	assert_int_equal(
	    look_at_params(VIEW("\3\200\0\0"), VIEW("")), RECORD_BAD);
	assert_int_equal(
	    look_at_params(VIEW("\377\377\377\377\377\377\377\377k"), VIEW("")),
	    RECORD_BAD);
}

static void
what_is_no_responders_request_is_bad(void **state)
{
	(void)state;
	assert_int_equal(record_look(VIEW("GET / HTTP/1.1\r\n")), RECORD_BAD);
	assert_int_equal(
	    record_look(VIEW("\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0")), RECORD_BAD);
	assert_int_equal(
	    record_look(VIEW("\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0")), RECORD_BAD);
	assert_int_equal(record_look(VIEW("\1\11\0\0\0\0\0\0")), RECORD_BAD);
	assert_int_equal(record_look(VIEW("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
					  "\1\5\0\1\0\0\0\0")),
	    RECORD_BAD);
	assert_int_equal(record_look(VIEW("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
					  "\1\4\0\2\0\0\0\0")),
	    RECORD_BAD);
}

static void
a_head_without_end_is_bad_at_the_limit(void **state)
{
	static char many[RECORD_HEAD_MAX];
	struct buf b = BUF_INIT(RECORD_HEAD_MAX * 2);

	(void)state;
	buf_add(&b, BEGIN);
	add_params(&b, (struct view){ many, 60000 });
	assert_int_equal(record_look(buf_view(&b)), RECORD_MORE);
	add_params(&b, (struct view){ many, 60000 });
	assert_int_equal(record_look(buf_view(&b)), RECORD_BAD);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_shorter_beginning_asks_for_more),
		cmocka_unit_test(
		    a_pair_may_straddle_records_and_use_long_lengths),
		cmocka_unit_test(lengths_that_lie_are_bad),
		cmocka_unit_test(what_is_no_responders_request_is_bad),
		cmocka_unit_test(a_head_without_end_is_bad_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
