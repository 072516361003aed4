/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/parse.h"

static void integers_are_taken_whole(void **state)
{
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	assert_int_equal(parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(parse_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(parse_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(parse_i64("9223372036854775808", &i), -ERANGE);
	for (const char *const *text = (const char *const[]){ "", " 1", "1 ", "+1", "0x10", "1k", "-", "--1", NULL };
		*text; text++) {
		assert_int_equal(parse_u64(*text, &u), -EINVAL);
		assert_int_equal(parse_i64(*text, &i), -EINVAL);
	}
	assert_int_equal(parse_u64("-1", &u), -EINVAL);
	assert_true(u == UINT64_MAX && i == INT64_MIN);
}

static void sizes_have_units_of_1024(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = { { "0", 0 }, { "4096", 4096 }, { "4096b", 4096 }, { "64m", 67108864 }, { "64M", 67108864 },
		{ "64MB", 67108864 }, { "64MiB", 67108864 }, { "1.5g", 1610612736 }, { "0.5k", 512 },
		{ "2t", INT64_C(2) << 40 }, { "1.1", 2 } };
	static const char *const bad[] = { "", "m", "1x", "1 m", "-1", "1.", ".5m", "1.2.3m", "1mm", "1ib", "1e3",
		"0x1k", "1.0000000001k" };
	int64_t bytes = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse_bytes(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
	bytes = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_bytes(bad[i], &bytes), -EINVAL);
	assert_int_equal(parse_bytes("9223372036854775808", &bytes), -ERANGE);
	assert_int_equal(parse_bytes("16384p", &bytes), -ERANGE);
	assert_int_equal(parse_bytes("99999999999999999999g", &bytes), -ERANGE);
	assert_true(bytes == 7);
}

static void durations_are_those_of_go(void **state)
{
	static const struct {
		const char *text;
		uint64_t milliseconds;
	} good[] = { { "5s", 5000 }, { "250ms", 250 }, { "1m30s", 90000 }, { "1.5h", 5400000 },
		{ "1h1m1s1ms", 3661001 }, { "1us", 1 }, { "1\xc2\xb5s", 1 }, { "0s", 0 }, { "0.5s", 500 } };
	static const char *const bad[] = { "", "5", "s", "5 s", "-5s", "5S", "1.2.3s", "5sm", "1d" };
	uint64_t milliseconds = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse_duration_ms(good[i].text, &milliseconds), 0);
		assert_true(milliseconds == good[i].milliseconds);
	}
	milliseconds = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_duration_ms(bad[i], &milliseconds), -EINVAL);
	assert_int_equal(parse_duration_ms("99999999999h", &milliseconds), -ERANGE);
	assert_true(milliseconds == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_taken_whole),
		cmocka_unit_test(sizes_have_units_of_1024),
		cmocka_unit_test(durations_are_those_of_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
