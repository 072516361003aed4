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

	(void)state;
	/* 10 ms of work between two rests of 20. */
	for (uint64_t i = 1; i < 50; i++) {
		struct softkvm_progress progress = {
			.processor_ns = i * 10 * MS, .wall_ns = i * 30 * MS, .rested_ns = i * 20 * MS
		};
		uint64_t now = ticks(1000 + i * 30);

		assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(1), now, KHZ, &progress), now + ticks(1));
	}
}

static void busy_guest_runs_undisturbed_for_a_while(void **state)
{
	struct softkvm_timer timer = { 0 };
	struct softkvm_progress progress = { .processor_ns = 100 * MS, .wall_ns = 100 * MS };
	uint64_t now = ticks(1000);

	(void)state;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(10));
	progress.processor_ns += 11 * MS;
	progress.wall_ns += 11 * MS;
	now += ticks(11);
	/* It went off. */
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(50));
	/* It has yet to go off: somebody goes to sleep. */
	now += ticks(2);
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(7), now, KHZ, &progress), now + ticks(7));
	/* One that is far away stays there, none stays none. */
	now += ticks(8);
	progress.processor_ns += 10 * MS;
	progress.wall_ns += 10 * MS;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(60), now, KHZ, &progress), now + ticks(60));
	assert_int_equal(softkvm_timer_deadline(&timer, 0, now, KHZ, &progress), 0);
}

static void short_rests_do_not_make_a_guest_idle(void **state)
{
	struct softkvm_timer timer = { 0 };
	uint64_t now = ticks(1000), deadline = 0;

	(void)state;
	/* It waits for 1 ms after each 9 of work. */
	for (uint64_t i = 1; i < 20; i++) {
		struct softkvm_progress progress = {
			.processor_ns = i * 9 * MS, .wall_ns = i * 10 * MS, .rested_ns = i * MS
		};

		now = deadline > now ? deadline : now;
		deadline = softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress);
	}
	assert_in_range(deadline - now, ticks(50), ticks(56));
}

static void scarce_processors_stretch_the_distance(void **state)
{
	struct softkvm_timer timer = {
		.last = { .processor_ns = 100 * MS, .wall_ns = 100 * MS }, .worked_ns = 90 * MS, .deadline = 1
	};
	struct softkvm_progress progress = { .processor_ns = 110 * MS, .wall_ns = 130 * MS };
	uint64_t now = ticks(1000);

	(void)state;
	/* A third of a processor: three times as long. */
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(150));
	/* Never beyond four times. */
	now += ticks(150);
	progress.processor_ns += 1 * MS;
	progress.wall_ns += 5000 * MS;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(200));
	now += ticks(200);
	progress.wall_ns += 5000 * MS;
	assert_int_equal(softkvm_timer_deadline(&timer, now + ticks(10), now, KHZ, &progress), now + ticks(200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_that_rests_is_woken_when_it_wants),
		cmocka_unit_test(busy_guest_runs_undisturbed_for_a_while),
		cmocka_unit_test(short_rests_do_not_make_a_guest_idle),
		cmocka_unit_test(scarce_processors_stretch_the_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
