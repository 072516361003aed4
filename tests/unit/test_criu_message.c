/* SPDX-License-Identifier: Apache-2.0 */
/* The wire form of criu's messages: what is written reads back, and what is damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "runtime/criu_message.h"

static void test_numbers_texts_and_messages_come_back(void **state)
{
	static const int64_t numbers[] = { 0, 1, 127, 128, 300, INT32_MAX, INT64_MAX, -1, INT64_MIN };
	struct strbuf inner = STRBUF_INIT, message = STRBUF_INIT;
	struct criu_field field;
	const unsigned char *data;
	size_t length;
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		criu_put_number(&inner, (unsigned)i + 1, numbers[i]);
	criu_put_text(&message, 63, "a/path");
	criu_put_message(&message, 2, &inner);
	data = (const unsigned char *)message.data;
	length = message.length;
	assert_int_equal(criu_next_field(&data, &length, &field), 1);
	assert_int_equal(field.number, 63);
	assert_true(field.is_bytes);
	text = criu_text(&field);
	assert_string_equal(text, "a/path");
	free(text);
	assert_int_equal(criu_next_field(&data, &length, &field), 1);
	assert_int_equal(field.number, 2);
	assert_int_equal(criu_next_field(&data, &length, &(struct criu_field){ 0 }), 0);
	data = field.data;
	length = field.length;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_int_equal(criu_next_field(&data, &length, &field), 1);
		assert_int_equal(field.number, i + 1);
		assert_false(field.is_bytes);
		assert_true(field.value == numbers[i]);
	}
	strbuf_free(&inner);
	strbuf_free(&message);
}

static void test_the_form_is_that_of_protocol_buffers(void **state)
{
	/* The examples of protobuf.dev "Encoding": field 1 is 150; field 2 is "testing". */
	static const unsigned char expected[] = { 0x08, 0x96, 0x01, 0x12, 0x07, 't', 'e', 's', 't', 'i', 'n', 'g' };
	struct strbuf message = STRBUF_INIT;

	(void)state;
	criu_put_number(&message, 1, 150);
	criu_put_text(&message, 2, "testing");
	assert_int_equal(message.length, sizeof(expected));
	assert_memory_equal(message.data, expected, sizeof(expected));
	strbuf_free(&message);
}

static int read_all(const unsigned char *data, size_t length)
{
	struct criu_field field;
	int result;

	while ((result = criu_next_field(&data, &length, &field)) > 0)
		;
	return result;
}

static void test_what_is_damaged_is_refused(void **state)
{
	static const unsigned char endless[] = { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0x01 };
	static const unsigned char too_long[] = { 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x' };
	static const unsigned char group[] = { 0x0b, 0x01 };
	static const unsigned char fixed[] = { 0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct strbuf message = STRBUF_INIT;

	(void)state;
	assert_int_equal(read_all(endless, sizeof(endless)), -EBADMSG);
	assert_int_equal(read_all(too_long, sizeof(too_long)), -EBADMSG);
	assert_int_equal(read_all(group, sizeof(group)), -EBADMSG);
	assert_int_equal(read_all(fixed, sizeof(fixed)), 0);
	criu_put_number(&message, 1, 1000);
	criu_put_text(&message, 2, "words");
	for (size_t length = 1; length < message.length; length++) {
		unsigned char *piece = malloc(length);

		/* On the heap, to its last byte: a sanitizer sees what is read beyond. */
		assert_non_null(piece);
		memcpy(piece, message.data, length);
		assert_int_equal(read_all(piece, length), length == 3 ? 0 : -EBADMSG);
		free(piece);
	}
	strbuf_free(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_texts_and_messages_come_back),
		cmocka_unit_test(test_the_form_is_that_of_protocol_buffers),
		cmocka_unit_test(test_what_is_damaged_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
