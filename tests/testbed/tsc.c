// SPDX-License-Identifier: Apache-2.0
// Prints the frequency of this processor's time stamp counter in kHz.
//
// QEMU's software emulation hands the host's counter to the machine. The machine's kernel would measure its frequency
// itself, and on a busy host it measures nonsense (a clock fifteen times too fast was seen): so it is told.
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct sample {
	uint64_t ns;
	uint64_t ticks;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// The pair taken with the least time between the two clock reads around it: no preemption fell there.
static struct sample take_sample(void)
{
	struct sample best = { 0 };
	uint64_t best_gap_ns = UINT64_MAX;

	for (int attempt = 0; attempt < 200; attempt++) {
		uint64_t before_ns = now_ns();
		uint64_t ticks = __rdtsc();
		uint64_t gap_ns = now_ns() - before_ns;

		if (gap_ns < best_gap_ns) {
			best_gap_ns = gap_ns;
			best = (struct sample){ .ns = before_ns + gap_ns / 2, .ticks = ticks };
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	struct sample first = take_sample();

	nanosleep(&pause, NULL);
	struct sample last = take_sample();
	double khz = (double)(last.ticks - first.ticks) * 1e6 / (double)(last.ns - first.ns);

	printf("%.0f\n", khz);
	return 0;
}
