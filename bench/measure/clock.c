/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock: the time stamp counter where it runs at one rate (CPUID 80000007H, EDX bit 8, "invariant TSC"), calibrated
 * against CLOCK_MONOTONIC of the kernel that the program runs on; else CLOCK_MONOTONIC itself.
 */
#include <cpuid.h>
#include <time.h>
#include <x86intrin.h>

#include "bench/measure/measure.h"

#define CALIBRATION_NS 50000000U
#define READINGS       64

uint64_t monotonic_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t clock_ticks(const struct measure_clock *clock)
{
	uint64_t ticks;

	if (!clock->tsc)
		return monotonic_ns();
	/* Nothing before it later, nothing after it earlier. */
	_mm_lfence();
	ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

double clock_elapsed_ns(const struct measure_clock *clock, uint64_t begin, uint64_t end)
{
	double ns = (double)(end - begin) * 1e9 / clock->ticks_per_second - clock->overhead_ns;

	return ns > 0 ? ns : 0;
}

static int has_invariant_tsc(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 1U << 8);
}

struct instant {
	uint64_t ticks, ns;
};

/* Both clocks at once: the reading of all whose two sides lie closest together, as something may come between. */
static struct instant read_both(void)
{
	const struct measure_clock tsc = { .tsc = 1 };
	uint64_t closest = UINT64_MAX;
	struct instant best = { 0 };

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = clock_ticks(&tsc), ns = monotonic_ns(), after = clock_ticks(&tsc);

		if (after - before < closest) {
			closest = after - before;
			best = (struct instant){ .ticks = before + (after - before) / 2, .ns = ns };
		}
	}
	return best;
}

static double least_pair_ns(struct measure_clock *clock)
{
	double least = 1e18;

	clock->overhead_ns = 0;
	for (int i = 0; i < 1000; i++) {
		uint64_t begin = clock_ticks(clock), end = clock_ticks(clock);
		double ns = clock_elapsed_ns(clock, begin, end);

		if (ns < least)
			least = ns;
	}
	return least;
}

struct measure_clock clock_calibrate(void)
{
	struct measure_clock clock = { .tsc = has_invariant_tsc(), .ticks_per_second = 1e9 };
	struct instant begin, end;

	if (clock.tsc) {
		begin = read_both();
		while (monotonic_ns() - begin.ns < CALIBRATION_NS)
			;
		end = read_both();
		clock.ticks_per_second = (double)(end.ticks - begin.ticks) * 1e9 / (double)(end.ns - begin.ns);
	}
	clock.overhead_ns = least_pair_ns(&clock);
	return clock;
}
