/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process beside the walls that feels what goes on behind them: every millisecond it does a little work of a kind
 * that everybody does (wake up, get memory, touch it, give it back, open a file) and notes how long that took.
 */
#ifndef DUET_BENCH_NEIGHBOUR_H
#define DUET_BENCH_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct neighbour;

struct neighbour_latency { /* from the moment when it should have woken up to the end of its work */
	bool there;        /* it was measured at all */
	double median_ms, p99_ms, maximum_ms;
};

int neighbour_begin(struct neighbour **neighbour, struct error *err);
void neighbour_end(struct neighbour **neighbour);
#define cleanup_neighbour cleanup(neighbour_end)

/* Nanoseconds on the clock of its notes (CLOCK_MONOTONIC). */
uint64_t neighbour_now_ns(void);
struct neighbour_latency neighbour_between(const struct neighbour *neighbour, uint64_t begin_ns, uint64_t end_ns);

#endif
