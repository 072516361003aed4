/* SPDX-License-Identifier: Apache-2.0 */
/* When a guest's timer goes off on a software-only KVM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "microvm/softkvm_timer.h"

#define MS  1000000ULL
#define KHZ 2000000ULL /* 2 GHz: a millisecond is 2,000,000 ticks */

static uint64_t ticks(uint64_t ms)
{
	return ms * KHZ;
}

static void guest_that_rests_is_woken_when_it_wants(void **state)
{
	struct softkvm_timer timer = { 0 };
	uint64_t now = ticks(1000);

	(void)state;
	/* 20 ms of work between two rests. */
	for (uint64_t i = 1; i < 50; i++) {
		struct softkvm_progress progress = { .processor_ns = i * 20 * MS, .wall_ns = i * 30 * MS, .rests = i };

		assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(1), now, KHZ, &progress), now + ticks(1));
		progress.processor_ns += 19 * MS;
		progress.wall_ns += 19 * MS;
		assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(1), now, KHZ, &progress), now + ticks(1));
	}
}

static void guest_that_never_rests_runs_undisturbed_for_a_while(void **state)
{
	struct softkvm_timer timer = { 0 };
	struct softkvm_progress progress = { .processor_ns = 100 * MS, .wall_ns = 100 * MS, .rests = 1 };
	uint64_t now = ticks(1000);

	(void)state;
	(void)softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress);
	progress.processor_ns += 26 * MS;
	progress.wall_ns += 26 * MS;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(25));
	/* One that is far away stays there, none stays none. */
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(60), now, KHZ, &progress), now + ticks(60));
	assert_int_equal(softkvm_timer_deadline(&timer, 0, now, KHZ, &progress), 0);
}

static void scarce_processors_stretch_the_distance(void **state)
{
	struct softkvm_timer timer = { .last = { .processor_ns = 100 * MS, .wall_ns = 100 * MS } };
	struct softkvm_progress progress = { .processor_ns = 110 * MS, .wall_ns = 130 * MS };
	uint64_t now = ticks(1000);

	(void)state;
	/* A third of a processor: three times as long. */
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(75));
	/* Never beyond four times. */
	progress.processor_ns += 1 * MS;
	progress.wall_ns += 5000 * MS;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(100));
	progress.wall_ns += 5000 * MS;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_that_rests_is_woken_when_it_wants),
		cmocka_unit_test(guest_that_never_rests_runs_undisturbed_for_a_while),
		cmocka_unit_test(scarce_processors_stretch_the_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
