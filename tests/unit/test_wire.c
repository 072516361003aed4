/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"

static struct wire_reader reader_of(const struct strbuf *bytes)
{
	return (struct wire_reader){ .next = (const unsigned char *)bytes->data, .left = bytes->length };
}

static void values_come_back_exactly(void **state)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	char *const strings[] = { (char *)"one", (char *)"", (char *)"three", NULL };
	struct wire_reader in;
	char **back, *text;
	size_t length;

	(void)state;
	wire_put_u8(&bytes, 200);
	wire_put_u32(&bytes, UINT32_MAX);
	wire_put_u64(&bytes, UINT64_MAX);
	wire_put_i64(&bytes, INT64_MIN);
	wire_put_string(&bytes, NULL);
	wire_put_string(&bytes, "");
	wire_put_strings(&bytes, strings);
	wire_put_bytes(&bytes, "a\0b", 3);
	in = reader_of(&bytes);
	assert_int_equal(wire_get_u8(&in), 200);
	assert_int_equal(wire_get_u32(&in), UINT32_MAX);
	assert_true(wire_get_u64(&in) == UINT64_MAX);
	assert_true(wire_get_i64(&in) == INT64_MIN);
	assert_null(wire_get_string(&in));
	text = wire_get_string(&in);
	assert_string_equal(text, "");
	free(text);
	back = wire_get_strings(&in);
	assert_string_equal(back[0], "one");
	assert_string_equal(back[1], "");
	assert_string_equal(back[2], "three");
	assert_null(back[3]);
	free_strings(back);
	text = wire_get_bytes(&in, &length);
	assert_int_equal(length, 3);
	assert_memory_equal(text, "a\0b", 3);
	free(text);
	assert_true(wire_reader_ok(&in));
}

static void every_cut_is_noticed(void **state)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;

	(void)state;
	wire_put_u32(&bytes, 7);
	wire_put_string(&bytes, "text");
	for (size_t length = 0; length < bytes.length; length++) {
		struct wire_reader in = reader_of(&bytes);
		char *text;

		in.left = length;
		(void)wire_get_u32(&in);
		text = wire_get_string(&in);
		assert_false(wire_reader_ok(&in));
		free(text);
	}
}

static void a_count_that_cannot_be_there_fails(void **state)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	struct wire_reader in;
	char **strings;

	(void)state;
	wire_put_u32(&bytes, 0x40000000);
	in = reader_of(&bytes);
	strings = wire_get_strings(&in);
	assert_null(strings[0]);
	assert_false(wire_reader_ok(&in));
	free_strings(strings);
}

static void a_nul_inside_a_string_fails(void **state)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	struct wire_reader in;

	(void)state;
	wire_put_u8(&bytes, 1);
	wire_put_bytes(&bytes, "a\0b", 3);
	in = reader_of(&bytes);
	assert_null(wire_get_string(&in));
	assert_false(wire_reader_ok(&in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_exactly),
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(a_count_that_cannot_be_there_fails),
		cmocka_unit_test(a_nul_inside_a_string_fails),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
